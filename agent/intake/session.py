"""A session: one agent, one user, one patient, one turn at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from strands import Agent, tool

from intake import aws, gateway, guard, memory, prompts, telemetry
from intake.errors import TurnError, describe
from intake.model import SageMakerRoute
from intake.openai_route import OpenAIRoute
from intake.settings import Settings
from intake.turns import HAND_OVER, Event, Limits, Turn
from intake.waking import Patience

logger = logging.getLogger("intake")

WAITING: Final = "An earlier message in this session is still being answered; yours is next."
QUEUE: Final = 4
"""Maximum number of waiting turns of one session; more are refused, since nobody types that fast."""
_REPEATS: Final = 8
"""Finished turns whose events are kept for a caller that sends the same idempotency key again."""
_DOES_NOT_ANSWER: Final = "tools_unavailable"


class Session:
    """The agent of one session; created at its first turn, and again after the gateway's connection was lost.

    Args:
        session_id: Id of the session.
        actor: Id of its user.
        settings: The agent's settings.
        tools: Strands tools in addition to those of the gateway.
    """

    def __init__(self, session_id: str, actor: str, settings: Settings, tools: Sequence[Any] = ()) -> None:
        self.actor = actor
        self._tools = tools
        self._id = session_id
        self._settings = settings
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._agent: Agent | None = None
        self._gateway: gateway.Gateway | None = None
        self._turn = Turn(emit=lambda _: None)
        self._patient = guard.Patient()
        self._finished: OrderedDict[str, list[Event]] = OrderedDict()
        self._memory: memory.Memory | None = None
        self._recalled = False
        self._messages: list[Any] = []

    @property
    def busy(self) -> bool:
        """Whether a turn runs or waits."""
        return self._lock.locked() or self._waiting > 0

    async def answer(self, prompt: str, key: str) -> AsyncIterator[Event]:
        """Yield the events of a turn, after those before it.

        Args:
            prompt: The user's message.
            key: The caller's idempotency key; empty if there is none. A finished turn's key gets its events again.
        """
        if self._lock.locked():
            if self._waiting >= QUEUE:
                raise TurnError(
                    "busy", f"{QUEUE} messages of this session wait already. Send this one after their answers."
                )
            yield {"type": "status", "text": WAITING}
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            if key and key in self._finished:
                for event in self._finished[key]:
                    yield event
                return
            async for event in self._run(prompt, key):
                yield event
        finally:
            self._lock.release()

    async def _run(self, prompt: str, key: str) -> AsyncIterator[Event]:
        """Run the turn concurrently with its reader, since hooks report on it while the model is silent."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        events: list[Event] = []
        self._turn = Turn(emit=queue.put_nowait) if not key else Turn(emit=queue.put_nowait, key=key)
        task = asyncio.create_task(self._work(self._turn, prompt))
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                events.append(event)
                yield event
        finally:
            if not task.done():  # the reader has disconnected
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if key and events and events[-1].get("stop_reason") not in {None, "error"}:
            self._finished[key] = events
            while len(self._finished) > _REPEATS:
                self._finished.popitem(last=False)

    async def _work(self, turn: Turn, prompt: str) -> None:
        earlier, stop = list(self._messages), "error"
        try:
            await self._recall(turn)
            earlier = list(self._messages)
            agent = await self._ready()
            stop = await self._stream(agent, turn, prompt)
        except Exception as error:  # noqa: BLE001  whatever it is, the user gets a sentence
            problem = turn.ending = turn.ending or self._explain(error)
            turn.emit(problem.event())
            stop = "error"
            logger.warning('{"error":"%s","exception":"%s"}', problem.code, type(error).__name__)
        if self._agent is not None:
            self._messages = self._agent.messages
        _close_turn(self._messages, earlier, prompt, turn)
        await self._drop_lost_gateway(turn)
        await self._remember(turn, _new(self._messages, earlier))
        turn.emit(turn.done(stop))

    async def _stream(self, agent: Agent, turn: Turn, prompt: str) -> str:
        stop = "end_turn"
        async for event in agent.stream_async(prompt):
            if isinstance(event.get("data"), str):
                turn.text(event["data"])
            elif "result" in event:
                stop = str(event["result"].stop_reason)
        if turn.ending is not None:
            turn.emit(turn.ending.event())
            return turn.ending.code if turn.ending.code in {"tool_limit", "token_budget"} else "error"
        if turn.handed_over:
            return "handover"
        if not turn.has_text:
            raise TurnError(
                "model_answer", "The model gave an empty answer. Send the message again, or word it differently."
            )
        return stop

    async def _ready(self) -> Agent:
        if self._agent is None:
            self._agent = await asyncio.to_thread(self._make)
        return self._agent

    def _make(self) -> Agent:
        """Create the agent; connects to the gateway, so it runs in a thread."""
        with aws.making:
            model = (OpenAIRoute if self._settings.model_api == "openai" else SageMakerRoute)(self._settings)
        tools: list[Any] = [self._hand_over(), *self._tools]
        if self._settings.gateway_url:
            self._gateway = gateway.Gateway(self._settings.gateway_url, self._settings.region)
            tools.append(self._gateway.client)
        limits = Limits(
            self._settings,
            self._id,
            patient=self._patient,
            turn=lambda: self._turn,
            malformed=model.malformed,
            refused=lambda: gateway.forbidden() if self._gateway and self._gateway.refused else None,
        )
        return Agent(
            model=model,
            tools=tools,
            system_prompt=prompts.load(self._settings.prompt_version),
            messages=self._messages,
            hooks=[limits, Patience(self._settings.wake_seconds, self._tell)],
            retry_strategy=None,  # Patience, which tells the user
            callback_handler=None,  # which would print the answer
            name="clinical-intake",
            agent_id="clinical-intake",
            trace_attributes=telemetry.labels() | {"session.id": self._id},
        )

    def _tell(self, text: str) -> None:
        self._turn.status(text)

    def _hand_over(self) -> Any:
        @tool(name=HAND_OVER)
        def hand_over(reason: str, missing: list[str]) -> str:
            """Hand the case over to a clinician, who goes on with it. Ends the turn.

            Args:
                reason: Why a clinician is needed, in one sentence.
                missing: What is missing, each in a few words; empty if nothing is.
            """
            self._turn.handed_over = True
            self._turn.emit(
                {"type": "handover", "reason": reason[:500], "missing": [str(item)[:200] for item in missing[:20]]}
            )
            return "A clinician has been asked."

        return hand_over

    def _explain(self, error: BaseException) -> TurnError:
        problem = describe(error)
        if problem.code == _DOES_NOT_ANSWER and self._gateway is not None and self._gateway.refused:
            return gateway.forbidden()
        return problem

    async def _drop_lost_gateway(self, turn: Turn) -> None:
        """Connect again at the next turn after the gateway failed in this one."""
        codes = {"tools_forbidden", _DOES_NOT_ANSWER, "internal"}
        if turn.ending is None or turn.ending.code not in codes or self._gateway is None:
            return
        old, self._gateway, self._agent = self._gateway, None, None
        try:
            await asyncio.to_thread(old.close)
        except Exception as error:  # noqa: BLE001  it was lost anyway
            logger.warning('{"gateway":"closed","exception":"%s"}', type(error).__name__)

    async def _recall(self, turn: Turn) -> None:
        if not self._settings.memory_id or self._recalled:
            return
        try:
            if self._memory is None:
                self._memory = await asyncio.to_thread(
                    memory.Memory, self._settings.memory_id, self._id, self.actor, self._settings.region
                )
            messages, patient = await asyncio.to_thread(self._memory.recall)
        except Exception as error:  # noqa: BLE001  the turn goes on without
            self._memory_is_down(turn, error)
            return
        self._recalled = True
        if not self._messages:
            self._messages[:] = messages
        self._patient.identifier = self._patient.identifier or patient

    async def _remember(self, turn: Turn, messages: list[Any]) -> None:
        if self._memory is None or not self._recalled or not messages:
            return
        try:
            await asyncio.to_thread(self._memory.remember, messages, self._patient.identifier)
        except Exception as error:  # noqa: BLE001  as above
            self._memory_is_down(turn, error)

    def _memory_is_down(self, turn: Turn, error: Exception) -> None:
        logger.warning('{"memory":"down","exception":"%s"}', type(error).__name__)
        turn.status(memory.DOWN)


class Sessions:
    """The sessions of this process: one on AgentCore, where each has a microVM of its own; several elsewhere.

    Args:
        limit: Sessions to keep; idle ones are dropped, the longest unused first.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def get(self, session_id: str, actor: str, settings: Settings) -> Session:
        """Return a session, made on its first use.

        Raises:
            TurnError: The session is another user's.
        """
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = Session(session_id, actor, settings)
            self._drop_idle()
        if session.actor != actor:
            raise TurnError(
                "session_of_another_user", "This session belongs to another user. Start a session of your own."
            )
        self._sessions.move_to_end(session_id)
        return session

    def _drop_idle(self) -> None:
        for session_id in list(self._sessions):
            if len(self._sessions) <= self._limit:
                return
            if not self._sessions[session_id].busy:
                del self._sessions[session_id]


def _new(messages: list[Any], earlier: list[Any]) -> list[Any]:
    """Return the messages of a turn; by identity, since Strands drops old ones from the front of a long conversation."""
    return [message for message in messages if all(message is not other for other in earlier)]


def _close_turn(messages: list[Any], earlier: list[Any], prompt: str, turn: Turn) -> None:
    """Leave a conversation that the model can continue: a failed turn ends with a sentence of the assistant, without an open tool call."""
    if turn.ending is None:
        return
    if not _new(messages, earlier):
        messages.append({"role": "user", "content": [{"text": prompt}]})
    last = messages[-1]
    if last["role"] == "assistant" and any("toolUse" in block for block in last["content"]):
        messages.pop()
    if messages and messages[-1]["role"] == "user":
        messages.append(
            {"role": "assistant", "content": [{"text": f"(This turn was not finished: {turn.ending.text})"}]}
        )
