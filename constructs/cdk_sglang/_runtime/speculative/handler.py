"""Entry points, one per state of the state machine, and the clean-up that EventBridge calls when an execution has ended.

Every entry point takes the execution's whole state and returns what the state keeps under the entry point's key. An end of the run is a value that the state
machine branches on, or an error with the end's name; `reason` and `next` say why, and what to do.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from . import approval, bench, cleanup, copying, draft, gate, inputs, promotion, training, verdict
from .clients import Aws
from .config import Config
from .ends import (
    BASE_CHANGED,
    CEILING_REACHED,
    DRAFT_REFUSED,
    FAILED,
    GATE_FAILED,
    JOB_FAILED,
    JOB_STOPPED,
    PROMOTION_ROLLED_BACK,
    EndError,
    Throttled,
    code_of,
    is_throttle,
    message_of,
)
from .event import Event


class LambdaContext(Protocol):
    """The method of Lambda's context that the entry points use."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function's time-out."""


Step = Callable[[Aws, Config, Event, dt.datetime, Callable[[], float]], dict[str, Any]]

Branch = tuple[str, Mapping[str, str] | None]
"""Key of a result that the state machine branches on, and its value by named end; None for the named end itself."""

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_PROMOTION = {BASE_CHANGED: "base_changed", PROMOTION_ROLLED_BACK: "rolled_back", FAILED: "failed"}
_RESERVE_SECONDS = 20.0
"""Part of Lambda's time-out that is reserved for requests in flight when the time of a call is over."""
_client_config = ClientConfig(
    retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=60, max_pool_connections=32
)


@functools.cache
def _aws() -> Aws:
    session = boto3.Session()
    return Aws(
        session=session,
        sagemaker=session.client("sagemaker", config=_client_config),
        s3=session.client("s3", config=_client_config),
        cloudformation=session.client("cloudformation", config=_client_config),
        stepfunctions=session.client("stepfunctions", config=_client_config),
        quotas=session.client("service-quotas", config=_client_config),
        lambda_=session.client("lambda", config=_client_config),
        sns=session.client("sns", config=_client_config),
        cloudwatch=session.client("cloudwatch", config=_client_config),
        logs=session.client("logs", config=_client_config),
    )


@functools.cache
def _config(text: str) -> Config:
    return Config.parse(text)


def _call(
    step: Step, name: str, event: Mapping[str, Any], context: LambdaContext, *, branch: Branch = ("state", {})
) -> dict[str, Any]:
    """Run a step: a named end that the state machine branches on becomes a result, any other an error of its name."""
    parsed = Event.parse(event)
    config = _config(os.environ["CONFIG"])
    now = dt.datetime.now(tz=dt.UTC)

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS

    try:
        result = {"end": "", "reason": "", "next": "", **step(_aws(), config, parsed, now, seconds_left)}
    except EndError as error:
        _log.warning(json.dumps({"run": parsed.run, "step": name, "end": error.end, "reason": error.reason}))
        key, states = branch
        if states is None or error.end in states:
            return {**error.result(), key: error.end if states is None else states[error.end]}
        raise error.named() from error
    except ClientError as error:
        if is_throttle(error):
            raise Throttled(f"{name}: {code_of(error)}: {message_of(error)}") from error
        raise
    # Log names and states only: a dataset's lines are the words of the owner's customers.
    _log.info(json.dumps({"run": parsed.run, "step": name, "end": result["end"], "state": result.get(branch[0])}))
    return result


def check_inputs(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check that the run can start, and convert its dataset; `$.inputs`."""
    return {"state": "ready", **_call(inputs.check, "check_inputs", event, context, branch=("state", None))}


def start_training(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Create the optimization job, or take over the existing one with the same content; `$.job`."""
    return _call(training.start, "start_training", event, context)


def watch_training(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the job once, and stop it above its ceiling; `$.watch`."""
    states = {JOB_FAILED: "failed", JOB_STOPPED: "stopped", CEILING_REACHED: "ceiling"}
    return _call(training.watch, "watch_training", event, context, branch=("status", states))


def read_draft(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Read and check evaluation and draft; `$.draft`."""
    return _call(draft.read, "read_draft", event, context, branch=("state", {DRAFT_REFUSED: "refused"}))


def assemble(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Copy base and draft into the version's prefix, for as long as the call has time; `$.assembled`."""
    return _call(copying.assemble, "assemble", event, context)


def open_gate(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Create the two canaries, on the endpoint's spare GPUs or a second endpoint; `$.gate`."""
    return _call(gate.open_gate, "open_gate", event, context, branch=("state", {GATE_FAILED: "failed"}))


def watch_gate_open(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check whether the canaries serve; `$.gate`."""
    return _call(gate.watch, "watch_gate_open", event, context, branch=("state", {GATE_FAILED: "failed"}))


def run_gate(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start, await and read benchmark jobs, as many as the quota allows; `$.bench`."""
    states = {GATE_FAILED: "failed", CEILING_REACHED: "ceiling"}
    return _call(bench.run, "run_gate", event, context, branch=("state", states))


def judge(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Judge the figures, write the report and register the version; `$.verdict`."""
    return _call(verdict.judge, "judge", event, context)


def ask_approval(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Keep the task token and send the question; whoever sends the token back answers it with `{"approved": true}`."""
    return _call(approval.ask, "ask_approval", event, context)


def close_gate(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Delete the canaries, the second endpoint and the gate's jobs; `$.closed`."""
    return _call(gate.close, "close_gate", event, context)


def promote(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Approve the version and start the update of the serving stack; `$.promotion`."""
    return _call(promotion.promote, "promote", event, context, branch=("state", _PROMOTION))


def watch_promotion(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the update of the serving stack once; `$.promotion`."""
    return _call(promotion.watch, "watch_promotion", event, context, branch=("state", _PROMOTION))


def clean_up(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Delete everything that must not remain of a run, and return how it ended; `$.ended`. EventBridge calls it too."""
    return _call(cleanup.clean_up, "clean_up", event, context)
