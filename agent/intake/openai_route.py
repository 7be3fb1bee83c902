"""The model on the endpoint's OpenAI-compatible path: `Authorization: Bearer` with a presigned request instead of SigV4."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any, Final

import boto3
import openai
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from strands.models.openai import OpenAIModel
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException

from intake import aws, refusals, telemetry
from intake.answers import checked
from intake.errors import TurnError
from intake.settings import READ_SECONDS, Settings

_TOKEN_SECONDS: Final = 900
"""Lifetime of a bearer token: its holder may invoke as the agent does."""


class OpenAIRoute(OpenAIModel):
    """The endpoint's OpenAI-compatible path, with a new bearer token for each request.

    The role needs sagemaker:CallWithBearerToken on `*` in addition to InvokeEndpoint.

    Args:
        settings: The agent's settings.
    """

    def __init__(self, settings: Settings) -> None:
        session = aws.session(settings.region)
        runtime = session.client("sagemaker-runtime")
        path = f"/endpoints/{settings.endpoint}/inference-components/{settings.component}/openai/v1"

        async def token() -> str:
            return await asyncio.to_thread(bearer_token, session, settings.region)

        super().__init__(
            client_args={
                "base_url": runtime.meta.endpoint_url.rstrip("/") + path,
                "api_key": token,
                "max_retries": 0,
                "timeout": READ_SECONDS,
            },
            model_id="",  # the path names the model
            params={"max_tokens": settings.answer_tokens, "temperature": 0.0},
        )
        self.malformed: set[str] = set()

    def format_request(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the request, with the trace for SGLang."""
        request: dict[str, Any] = super().format_request(*args, **kwargs)
        if attributes := telemetry.custom_attributes():
            request["extra_headers"] = {"X-Amzn-SageMaker-Custom-Attributes": attributes}
        return request

    def format_chunk(self, event: dict[str, Any], **kwargs: Any) -> Any:
        """Return a chunk of the answer; refuse the end of a stream without a reason, which Strands treats as a complete answer."""
        if event["chunk_type"] == "message_stop" and event["data"] == "end_turn":
            raise TurnError(*refusals.INTERRUPTED)
        return super().format_chunk(event, **kwargs)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the answer as Strands' chunks; errors as in `SageMakerRoute.stream`."""
        begun = False
        try:
            async for chunk in checked(super().stream(*args, **kwargs), self.malformed):
                begun = begun or "contentBlockDelta" in chunk
                yield chunk
        except (openai.APIError, ModelThrottledException, ContextWindowOverflowException) as error:
            cause = error.__cause__ if isinstance(error.__cause__, openai.APIError) else error
            raise _of_openai(cause, begun=begun) from None
        except Exception as error:  # noqa: BLE001  every one is told
            raise refusals.of_stream(error) from None


def bearer_token(session: boto3.Session, region: str) -> str:
    """Return a bearer token for the OpenAI-compatible path: a presigned request that SageMaker makes itself, as AWS's generator does.

    Args:
        session: Source of the credentials.
        region: Region of the endpoint.

    Raises:
        TurnError: There are no credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise TurnError("model_forbidden", "The agent has no credentials for the model. Tell the operator.")
    request = AWSRequest(
        "POST",
        "https://sagemaker.amazonaws.com/",
        headers={"host": "sagemaker.amazonaws.com"},
        params={"Action": "CallWithBearerToken"},
    )
    SigV4QueryAuth(credentials.get_frozen_credentials(), "sagemaker", region, expires=_TOKEN_SECONDS).add_auth(request)
    text = f"{str(request.url).removeprefix('https://')}&Version=1"
    return f"sagemaker-api-key-{base64.b64encode(text.encode()).decode()}"


def _of_openai(error: BaseException, *, begun: bool) -> BaseException:
    if begun or not isinstance(error, openai.APIError):
        return refusals.of_stream(error)
    if isinstance(error, openai.APIConnectionError):
        return TurnError("model_unreachable", "The model's endpoint cannot be reached. Send the message again later.")
    if not isinstance(error, openai.APIStatusError):
        return TurnError(*refusals.INTERRUPTED)
    body = error.body if isinstance(error.body, dict) else {}
    kind = error.response.headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
    text = str(body.get("message") or body.get("Message") or error.message)
    return refusals.of_answer(kind or "ModelError", text, error.status_code)
