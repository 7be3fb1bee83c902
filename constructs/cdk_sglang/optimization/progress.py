"""Progress of a run of the pipeline: its steps, their times and its cost, read from the history of its execution."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cdk_sglang.optimization.steps import BAD_ENDS, GOOD_ENDS, STOPPED

STEPS: Final = {
    "inputs": ("check_inputs",),
    "training": ("start_training", "watch_training", "wait_training"),
    "draft": ("read_draft",),
    "copy": ("assemble",),
    "gate opens": ("open_gate", "watch_gate_open", "wait_gate_open"),
    "measurement": ("run_gate", "wait_gate"),
    "verdict": ("judge",),
    "gate closes": ("close_gate",),
    "approval": ("ask_approval",),
    "promotion": ("promote", "watch_promotion", "wait_promotion"),
    "clean-up": ("clean_up",),
}
"""Steps as shown to users, and the states of each."""
_STEP_OF: Final = {state: step for step, states in STEPS.items() for state in states}
_KEYS: Final = {
    "inputs": "inputs",
    "training": "watch",
    "draft": "draft",
    "copy": "assembled",
    "gate opens": "gate",
    "measurement": "bench",
    "verdict": "verdict",
    "promotion": "promotion",
}
"""Key of the state under which a step's result is kept (definition.py)."""
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
"""Final statuses of an execution (Step Functions, ExecutionStatus)."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a run.

    Args:
        name: The step, a key of `STEPS`.
        began: When it was first entered.
        ended: When the next one began; None while it lasts.
        calls: How often one of its functions was called.
        note: What it found so far.
    """

    name: str
    began: dt.datetime
    ended: dt.datetime | None
    calls: int
    note: str = ""

    def seconds(self, now: dt.datetime) -> float:
        """Return how long it has taken until now."""
        return max(0.0, ((self.ended or now) - self.began).total_seconds())


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an execution ended.

    Args:
        state: Named end, such as `Promoted`; the status of the execution where it has none.
        reason: Why.
        next_step: What to do next.
        spent_usd: US dollars that the run has cost, about; None if unknown.
        report: Place of the report; empty without one.
    """

    state: str
    reason: str = ""
    next_step: str = ""
    spent_usd: float | None = None
    report: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the run succeeded, which includes the rejection of a draft."""
        return self.state in GOOD_ENDS


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of a run.

    Args:
        run: Name of the run; that of its execution until its first step has named it.
        execution: ARN of the execution.
        reason: Why it was started: `start`, `schedule` or `alarm`.
        status: Status of the execution.
        began: When it was started.
        ended: When it ended; None while it runs.
        steps: Its steps in their order.
        spent_usd: US dollars that training and measurement have cost so far, about.
        ending: How it ended; None while it runs.
    """

    run: str
    execution: str
    reason: str
    status: str
    began: dt.datetime
    ended: dt.datetime | None
    steps: tuple[Step, ...]
    spent_usd: float
    ending: Ending | None

    @property
    def is_running(self) -> bool:
        """Whether the execution is running."""
        return self.status not in ENDED

    @property
    def step(self) -> str:
        """The current step; empty before the first."""
        return self.steps[-1].name if self.steps else ""

    def seconds(self, now: dt.datetime) -> float:
        """Return how long it has taken until now."""
        return max(0.0, ((self.ended or now) - self.began).total_seconds())


def progress_of(execution: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> Progress:
    """Return the progress of an execution.

    Args:
        execution: As DescribeExecution answers.
        events: Its history in the order of the events' ids, as GetExecutionHistory answers.
    """
    found = _History()
    for event in events:
        found.add(event)
    ended = execution.get("stopDate")
    status = str(execution["status"])
    execution_input = _object(execution.get("input"))
    state = found.state
    return Progress(
        run=str(state.get("run") or execution_input.get("run") or execution["name"]),
        execution=str(execution["executionArn"]),
        reason=str(state.get("reason") or execution_input.get("reason") or "start"),
        status=status,
        began=execution["startDate"],
        ended=ended,
        steps=tuple(found.steps(ended)),
        spent_usd=_spent(state),
        ending=_ending(execution, state) if status in ENDED else None,
    )


def _spent(state: Mapping[str, Any]) -> float:
    parts = (("watch", "spent_usd"), ("bench", "usd"))
    return sum(float(_part(state, key).get(name) or 0.0) for key, name in parts)


def _ending(execution: Mapping[str, Any], state: Mapping[str, Any]) -> Ending:
    """Return the end from the output or the cause, which are the same JSON; one that was aborted otherwise than by `eagle stop` has neither."""
    output = _object(execution.get("output")) or _object(execution.get("cause"))
    name = str(output.get("state") or execution.get("error") or execution["status"])
    status = str(execution["status"])
    if not output:
        reason = str(execution.get("cause") or "") or f"the execution is {status}"
        step = "what it made is cleaned up by itself; start again: cdk-sglang eagle start"
        return Ending(state=name, reason=reason, next_step=step, spent_usd=_spent(state))
    spent = output.get("spent_usd")
    known = name in {*GOOD_ENDS, *BAD_ENDS, STOPPED}
    return Ending(
        state=name if known else status,
        reason=str(output.get("reason") or ""),
        next_step=str(output.get("next") or ""),
        spent_usd=_spent(state) if spent is None else float(spent),
        report=str(output.get("report") or ""),
    )


@dataclass
class _Visit:
    name: str
    began: dt.datetime
    calls: int = 0


@dataclass
class _History:
    """State collected from the events so far."""

    visits: list[_Visit] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any]) -> None:
        entered, exited = event.get("stateEnteredEventDetails"), event.get("stateExitedEventDetails")
        if entered is not None:
            step = _STEP_OF.get(entered["name"])
            if step is None:
                return
            if not self.visits or self.visits[-1].name != step:
                self.visits.append(_Visit(name=step, began=event["timestamp"]))
            self.visits[-1].calls += not entered["name"].startswith("wait_")
        elif exited is not None:
            self.state |= _object(exited.get("output"))

    def steps(self, ended: dt.datetime | None) -> Iterable[Step]:
        for position, visit in enumerate(self.visits):
            last = position == len(self.visits) - 1
            yield Step(
                name=visit.name,
                began=visit.began,
                ended=ended if last else self.visits[position + 1].began,
                calls=visit.calls,
                note=_note(visit.name, _part(self.state, _KEYS.get(visit.name, ""))),
            )


def _note(step: str, result: Mapping[str, Any]) -> str:
    """Return what a step's result says, for a person."""
    if problems := result.get("problems"):
        return "; ".join(map(str, problems))
    note = _NOTES.get(step, _state)
    return note(result) if result else ""


def _state(result: Mapping[str, Any]) -> str:
    return str(result.get("reason") or result.get("state") or "")


def _dataset(result: Mapping[str, Any]) -> str:
    lines = _part(result, "dataset").get("lines")
    return "" if lines is None else f"{lines:,} conversations"


def _measurement(result: Mapping[str, Any]) -> str:
    done = f"{len(result.get('done') or ())} of {result['total']} measurements, " if "total" in result else ""
    return f"{done}{float(result.get('usd') or 0):.2f} $"


def _verdict(result: Mapping[str, Any]) -> str:
    speedup = result.get("speedup")
    faster = "" if speedup is None else f", {float(speedup):.2f} times the tokens per second"
    return f"{result.get('state', '')}{faster}"


_NOTES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "inputs": _dataset,
    "training": lambda result: f"{result.get('status', '')}, {float(result.get('spent_usd') or 0):.2f} $",
    "draft": lambda result: f"{result.get('algorithm', '')}, {result.get('draft_tokens', '?')} draft tokens",
    "copy": lambda result: f"{result.get('copied', 0)} of {result.get('total', 0)} files",
    "measurement": _measurement,
    "verdict": _verdict,
}


def _part(state: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = state.get(key)
    return found if isinstance(found, Mapping) else {}


def _object(text: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else, such as a history whose payload is left out."""
    if not isinstance(text, str):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
