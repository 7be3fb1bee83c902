"""The gateway: MCP over streamable HTTP, each request signed with SigV4."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

import boto3
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from strands.tools.mcp import MCPClient

from intake import aws
from intake.errors import TurnError

SERVICE: Final = "bedrock-agentcore"
CONNECT_SECONDS: Final = 15
"""Maximum time for the connection and the list of tools: half the start-up time of a runtime."""
_REFUSED: Final = (401, 403)


class SigV4(httpx.Auth):
    """Signs requests for an IAM-authorised gateway; credentials are read for each request, so they may be renewed in between.

    Args:
        session: Source of the credentials.
        region: Region of the gateway.
    """

    requires_request_body = True

    def __init__(self, session: boto3.Session, region: str) -> None:
        self._credentials = session.get_credentials()
        self._region = region
        self.status = 0
        """HTTP status of the last answer; 0 before the first."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request, and record the status of its answer."""
        if self._credentials is None:
            raise TurnError("tools_forbidden", "The agent has no credentials for the tools. Tell the operator.")
        headers = {name: request.headers[name] for name in ("host", "content-type") if name in request.headers}
        signed = AWSRequest(request.method, str(request.url), data=request.content, headers=headers)
        SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        response = yield request
        self.status = response.status_code


class Gateway:
    """The connection of one session to the gateway.

    Args:
        url: Address of the gateway, ending in /mcp.
        region: Region of the gateway.
    """

    def __init__(self, url: str, region: str) -> None:
        self.auth = SigV4(aws.session(region), region)
        self.client = MCPClient(
            url=url, auth_provider=self.auth, startup_timeout=CONNECT_SECONDS, application_name="clinical-intake"
        )

    @property
    def refused(self) -> bool:
        """Whether the gateway's last answer refused this agent."""
        return self.auth.status in _REFUSED

    def close(self) -> None:
        """End the connection and its thread."""
        self.client.stop(None, None, None)


def forbidden() -> TurnError:
    """Return what the user is told if the gateway refuses the agent."""
    return TurnError(
        "tools_forbidden",
        "The gateway refused the agent's request (403), so patient search and reports are not available. Tell the operator; nothing was saved.",
    )
