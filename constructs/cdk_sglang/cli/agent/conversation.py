"""Turns with a deployed agent: requests to AgentCore's data plane, and the events of its answers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

from cdk_sglang.cli.aws import client, failures_of
from cdk_sglang.errors import ConfigurationError, Problem

Event = dict[str, Any]
USER_HEADER: Final = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User"
"""Header with the user on whose behalf an application calls; it reaches the agent only if the runtime's list of headers has it."""
_SESSION_LENGTH: Final = range(33, 257)
"""Lengths of a session id (bedrock-agentcore's service model, botocore 1.44.5)."""
_SILENT_S: Final = 900
"""Seconds without an event before the answer counts as lost: as long as the agent waits for a sleeping component."""
_PREFIX: Final = b"data:"


class BrokenAnswerError(Exception):
    """An answer that ended before its last event."""


class Conversation:
    """One session with an agent.

    Args:
        runtime_arn: ARN of the runtime.
        session: Session id to go on with. Default: a new session.
        user: Name of the user on whose behalf the caller acts. Default: nobody is named.
        region: Region; that of the AWS settings by default.

    Attributes:
        session: Id of the session.

    Raises:
        ConfigurationError: The session id is too short or too long.
    """

    def __init__(self, runtime_arn: str, *, session: str | None, user: str | None, region: str | None) -> None:
        if session is not None and len(session) not in _SESSION_LENGTH:
            low, high = _SESSION_LENGTH.start, _SESSION_LENGTH.stop - 1
            text = f"{len(session)} characters, {low} to {high} are allowed; leave it out for a new session"
            raise ConfigurationError([Problem("--session", text)])
        self.session: str = session or f"cli-{uuid.uuid4()}"
        self._runtime_arn = runtime_arn
        self._core = client("bedrock-agentcore", region=region, attempts=2, read_timeout_s=_SILENT_S)
        if user is not None:
            events = self._core.meta.events
            events.register("before-sign.bedrock-agentcore.InvokeAgentRuntime", _named(user))

    def turn(self, prompt: str) -> Iterator[Event]:
        """Send a message, and yield the events of the answer as they arrive.

        A request is tried twice with one idempotency key, by which the agent repeats a finished answer instead of acting twice.

        Raises:
            BrokenAnswerError: The connection was lost, or the answer ended without its last event.
            typer.Exit: AWS refused the request; the reason is printed.
        """
        payload = json.dumps({"prompt": prompt, "idempotency_key": uuid.uuid4().hex})
        with failures_of("bedrock-agentcore:InvokeAgentRuntime"):
            answer = self._core.invoke_agent_runtime(
                agentRuntimeArn=self._runtime_arn,
                runtimeSessionId=self.session,
                contentType="application/json",
                accept="text/event-stream",
                payload=payload.encode(),
            )
        body = answer["response"]
        try:
            if "event-stream" in answer.get("contentType", ""):
                yield from _complete(_events(body))
            else:  # an agent of the author's own that does not stream
                yield {"type": "text", "text": body.read().decode(errors="replace")}
        finally:
            body.close()  # the agent notices, and stops

    def end(self) -> None:
        """Stop the session's process; if the caller lacks that permission, the idle time-out ends it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._core.stop_runtime_session(agentRuntimeArn=self._runtime_arn, runtimeSessionId=self.session)
        except (ClientError, BotoCoreError):
            return


def _named(user: str) -> Any:
    def add(request: Any, **_: object) -> None:
        request.headers[USER_HEADER] = user

    return add


def _events(body: Any) -> Iterator[Event]:
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    try:
        for line in body.iter_lines(chunk_size=1):  # a larger chunk would hold events back
            if line.startswith(_PREFIX):
                yield _event(line[len(_PREFIX) :].decode(errors="replace").strip())
    except (BotoCoreError, HTTPError, OSError) as error:
        raise BrokenAnswerError(f"the connection was lost ({type(error).__name__})") from None


def _event(text: str) -> Event:
    """Return an event; output of an author's own agent is converted to one."""
    try:
        value = json.loads(text)
    except ValueError:
        return {"type": "text", "text": text}
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return value
    if isinstance(value, dict) and "error" in value:  # the SDK's, for an exception that the agent let through
        return {"type": "error", "code": "internal", "text": str(value["error"])}
    return {"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}


def _complete(events: Iterator[Event]) -> Iterator[Event]:
    """Pass events on; raise if the project's protocol was begun and `done` never came."""
    kinds: set[str] = set()
    for event in events:
        kinds.add(event["type"])
        yield event
    if kinds & {"status", "tool", "handover"} and "done" not in kinds:
        raise BrokenAnswerError("the answer ended before it was complete")
    if not kinds:
        raise BrokenAnswerError("the agent sent nothing")
