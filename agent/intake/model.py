"""The model: an inference component, called with SigV4.

The class corrects Strands' `SageMakerAIModel` 1.62.0, which sends only the first text of a message, counts no tokens of streams, logs prompts,
treats an interrupted stream as a complete answer, and maps neither throttling nor an overflow of the context to Strands' exceptions.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, Final

from botocore.config import Config
from strands.models.sagemaker import SageMakerAIModel, UsageMetadata
from strands.types.exceptions import ContextWindowOverflowException

from intake import aws, refusals, sse, telemetry
from intake.answers import checked
from intake.errors import TurnError
from intake.settings import READ_SECONDS, Settings

_END: Final = object()


class SageMakerRoute(SageMakerAIModel):
    """InvokeEndpointWithResponseStream on a component.

    Args:
        settings: The agent's settings.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            endpoint_config={
                "endpoint_name": settings.endpoint,
                "inference_component_name": settings.component,
                "region_name": settings.region,
            },
            payload_config={
                "max_tokens": settings.answer_tokens,
                "temperature": 0.0,
                "stream": True,
                "additional_args": {"stream_options": {"include_usage": True}},
            },
            # One attempt: a request that a copy has begun is not sent again, and waiting for a copy is the turn's (intake/waking.py).
            boto_session=aws.session(settings.region),
            boto_client_config=Config(connect_timeout=5, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}),
        )
        self.malformed: set[str] = set()

    @classmethod
    def format_request_messages(cls, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the messages with all texts of each, as one string: the form that every chat template takes."""
        messages: list[dict[str, Any]] = super().format_request_messages(*args, **kwargs)
        for message in messages:
            content = message.get("content")
            if isinstance(content, list):
                message["content"] = "\n\n".join(block["text"] for block in content if "text" in block)
        return messages

    def format_request(
        self,
        messages: Any,
        tool_specs: Any = None,
        system_prompt: str | None = None,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the parameters of InvokeEndpointWithResponseStream."""
        payload = {
            name: value
            for name, value in self.payload_config.items()
            if name in {"max_tokens", "temperature", "stream"}
        }
        payload |= self.payload_config.get("additional_args") or {}
        payload["messages"] = self.format_request_messages(messages, system_prompt)
        if tool_specs:
            payload["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": spec["name"],
                        "description": spec["description"],
                        "parameters": spec["inputSchema"]["json"],
                    },
                }
                for spec in tool_specs
            ]
            payload |= self._format_request_tool_choice(tool_choice) or {"tool_choice": "auto"}
        request = {
            "EndpointName": self.endpoint_config["endpoint_name"],
            "InferenceComponentName": self.endpoint_config["inference_component_name"],
            "Body": json.dumps(payload).encode(),
            "ContentType": "application/json",
            "Accept": "application/json",
        }
        attributes = telemetry.custom_attributes()
        return request | ({"CustomAttributes": attributes} if attributes else {})

    async def stream(
        self,
        messages: Any,
        tool_specs: Any = None,
        system_prompt: str | None = None,
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Yield the answer as Strands' chunks.

        Raises:
            AsleepError: The component has no copy.
            ModelThrottledException: The endpoint or the engine is full.
            ContextWindowOverflowException: The conversation is too long.
            TurnError: Any other error.
        """
        request = self.format_request(messages, tool_specs, system_prompt, tool_choice, **kwargs)
        try:
            response = await asyncio.to_thread(self.client.invoke_endpoint_with_response_stream, **request)
        except Exception as error:  # noqa: BLE001  every one is told
            raise refusals.of_request(error) from None
        body = response["Body"]
        try:
            async for chunk in checked(self._chunks(body), self.malformed):
                yield chunk
        finally:
            body.close()

    async def _chunks(self, body: Any) -> AsyncIterator[dict[str, Any]]:
        stream = iter(sse.events(body))
        yield {"messageStart": {"role": "assistant"}}
        finish, kind = "", ""
        calls: dict[int, list[dict[str, Any]]] = {}
        while (event := await asyncio.to_thread(_next, stream)) is not _END:
            if usage := event.get("usage"):
                yield self.format_chunk({"chunk_type": "metadata", "data": _usage(usage)})
            if event.get("error") or event.get("object") == "error":
                raise _error_event(event)
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                for name, texts in (("reasoningContent", _reasoning(delta)), ("text", delta.get("content"))):
                    if texts:
                        if kind != name:
                            for chunk in _switch(kind):
                                yield chunk
                            kind = name
                        yield _delta(name, texts)
                for call in delta.get("tool_calls") or ():
                    calls.setdefault(call.get("index", 0), []).append(call)
                finish = choice.get("finish_reason") or finish
        if not finish:
            raise TurnError(*refusals.INTERRUPTED)
        if kind:
            yield {"contentBlockStop": {}}
        for chunk in _tool_calls(calls):
            yield chunk
        yield self.format_chunk(
            {"chunk_type": "message_stop", "data": "tool_calls" if calls and finish != "length" else finish}
        )


def _next(stream: Any) -> Any:
    """Return the next event or `_END`; runs in a thread, since botocore reads the socket."""
    try:
        return next(stream, _END)
    except Exception as error:  # noqa: BLE001  every one is told
        raise refusals.of_stream(error) from None


def _error_event(event: dict[str, Any]) -> BaseException:
    inner = event.get("error")
    text = str(inner.get("message", "") if isinstance(inner, dict) else event.get("message", ""))
    found = refusals.of_answer("ModelError", text, None)
    return found if isinstance(found, ContextWindowOverflowException) else TurnError(*refusals.INTERRUPTED)


def _usage(usage: dict[str, Any]) -> UsageMetadata:
    read, written = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    return UsageMetadata(total_tokens=read + written, completion_tokens=written, prompt_tokens=read)


def _reasoning(delta: dict[str, Any]) -> str:
    return str(delta.get("reasoning_content") or delta.get("reasoning") or "")


def _delta(kind: str, text: str) -> dict[str, Any]:
    delta = {"text": text} if kind == "text" else {"reasoningContent": {"text": text}}
    return {"contentBlockDelta": {"delta": delta}}


def _switch(kind: str) -> list[dict[str, Any]]:
    stop: list[dict[str, Any]] = [{"contentBlockStop": {}}] if kind else []
    return [*stop, {"contentBlockStart": {"start": {}}}]


def _tool_calls(calls: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    chunks: list[dict[str, Any]] = []
    for deltas in calls.values():
        functions = [delta.get("function") or {} for delta in deltas]
        name = next((function["name"] for function in functions if function.get("name")), "")
        identifier = next((str(delta["id"]) for delta in deltas if delta.get("id")), f"call_{uuid.uuid4().hex}")
        if not name:
            raise TurnError("model_answer", "The model called a tool without naming it. Send the message again.")
        chunks += [
            {"contentBlockStart": {"start": {"toolUse": {"name": name, "toolUseId": identifier}}}},
            *(
                {"contentBlockDelta": {"delta": {"toolUse": {"input": function["arguments"]}}}}
                for function in functions
                if function.get("arguments")
            ),
            {"contentBlockStop": {}},
        ]
    return chunks
