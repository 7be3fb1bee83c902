"""State of AgentCore: it belongs to moto's backend, so that a reset of moto empties it and ends every session."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from moto.bedrockagentcorecontrol.models import BedrockAgentCoreControlBackend, bedrockagentcorecontrol_backends

from localcloud.aws.agents.errors import AgentCoreError, not_found
from localcloud.aws.agents.records import DEFAULT, Gateway, PolicyEngine, Record, Runtime, Session
from localcloud.aws.settings import current

LOCK = threading.RLock()
"""Lock of the state: held while it is read or changed, not while a process starts."""
GATEWAYS = "/bedrock-agentcore/gateways/"
"""Start of the path of every gateway's MCP server here; AWS gives each its own host name."""


class Store:
    """State of AgentCore in one account and Region."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.runtimes: dict[str, Runtime] = {}
        self.gateways: dict[str, Gateway] = {}
        self.memories: dict[str, Record] = {}
        self.engines: dict[str, PolicyEngine] = {}
        self.sessions: dict[tuple[str, str], Session] = {}  # by runtime id and session id

    def arn(self, resource: str) -> str:
        """ARN of a resource, for example of ``runtime/prod_agent-0123456789``."""
        return f"arn:aws:bedrock-agentcore:{self.region}:{self.account}:{resource}"

    def runtime(self, name: str) -> Runtime:
        """Runtime by id or ARN."""
        found = self.runtimes.get(name.rpartition("/")[2])
        if found is None:
            raise not_found("Agent", name)
        return found

    def gateway(self, name: str) -> Gateway:
        """Gateway by id or ARN."""
        found = self.gateways.get(name.rpartition("/")[2])
        if found is None:
            raise not_found("Gateway", name)
        return found

    def version(self, runtime: Runtime, qualifier: str) -> int:
        """Version of a runtime that a qualifier resolves to: DEFAULT, an endpoint's name, or a number."""
        if qualifier == DEFAULT:
            return runtime.version
        if qualifier in runtime.endpoints:
            return runtime.endpoints[qualifier].version
        if qualifier.isdigit() and 1 <= int(qualifier) <= runtime.version:
            return int(qualifier)
        raise AgentCoreError("ResourceNotFoundException", f"No endpoint or agent found with qualifier '{qualifier}'")

    def gateway_url(self, gateway_id: str) -> str:
        """Address of a gateway's MCP server; without a server, the address that AWS would assign."""
        base = current().base_url
        if base:
            return f"{base}{GATEWAYS}{gateway_id}/mcp"
        return f"https://{gateway_id}.gateway.bedrock-agentcore.{self.region}.amazonaws.com/mcp"

    def end(self, runtime_id: str | None = None) -> None:
        """End the sessions of one runtime. Default: of all."""
        with LOCK:
            ending = [key for key in self.sessions if runtime_id in (None, key[0])]
            sessions = [self.sessions.pop(key) for key in ending]
        for session in sessions:
            session.stop()


def store(account: str, region: str) -> Store:
    """State of one account and Region, created on first use."""
    backend: Any = bedrockagentcorecontrol_backends[account][region]
    with LOCK:
        if "localcloud" not in backend.__dict__:
            backend.localcloud = Store(account, region)
        state: Store = backend.localcloud
        return state


def stores() -> Iterator[Store]:
    """State of every account and Region in use."""
    for _, _, backend in list(bedrockagentcorecontrol_backends.iter_backends()):
        if "localcloud" in backend.__dict__:
            yield backend.__dict__["localcloud"]


def _reset(self: BedrockAgentCoreControlBackend) -> None:
    if "localcloud" in self.__dict__:
        self.__dict__["localcloud"].end()
    _moto_reset(self)


_moto_reset = BedrockAgentCoreControlBackend.reset
BedrockAgentCoreControlBackend.reset = _reset
