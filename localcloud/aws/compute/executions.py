"""Executions of state machines follow the clock, including a driven one: Wait states, retries, task tokens and time-outs."""

from __future__ import annotations

import datetime as dt
import functools
import threading
import types
from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser import models as parser_models
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branch_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.branches_decl import BranchWorkerPool
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerLeft,
    CallbackConsumerTimeout,
    CallbackOutcomeTimedOut,
    HeartbeatTimedOut,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend import execution as execution_module
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from localcloud.aws.clock import clock

_POLL_S = 0.1
"""Seconds between two reads of a real clock, which may have been moved."""
_here: Any = threading.local()


class _OverError(Exception):
    """The execution ended while one of its tasks waited."""


class _UnwindError(BaseException):
    """Not caught by a state's retriers and catchers, which do not apply once the execution itself has ended."""


def role() -> str:
    """Role of the state machine whose execution runs in this thread; empty outside of executions."""
    env = getattr(_here, "env", None)
    return "" if env is None else str(env.aws_execution_details.role_arn)


def _pause(env: Any, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let time pass until `until` holds, but not beyond the end of the execution."""
    end, root = clock().now() + max(0.0, seconds), getattr(_here, "env", env)

    def over() -> bool:
        _expire(root)
        return until() or not env.is_running() or not root.is_running() or clock().now() >= end

    if clock().in_worker():
        clock().wait_until(over, timeout_s=max(0.0, seconds), what="a state")
        return
    wake = threading.Event()
    while not over():
        wake.wait(_POLL_S)


def _expire(env: Any) -> None:
    if env.is_running() and clock().now() >= getattr(env, "deadline", float("inf")):
        env.set_timed_out()


def _wait_interval(self: Any, env: Any, wait_seconds: int) -> None:
    """Wait state."""
    del self
    _pause(env, wait_seconds)


def _sleep(seconds: float) -> None:
    """Pause of a retrier."""
    _pause(_here.env, seconds)


def _wait_for_token(self: Any, env: Any, timeout_seconds: int, callback_endpoint: Any, heartbeat_endpoint: Any) -> Any:
    """Wait until the outcome of the task is sent, its time-out is over, or a heartbeat is overdue."""
    if getattr(self.timeout, "is_default", False):
        timeout_seconds = TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS  # moto's default is HeartbeatSeconds, if set
    end, answered = clock().now() + timeout_seconds, callback_endpoint._notify_event.is_set
    beat = heartbeat_endpoint and heartbeat_endpoint._next_heartbeat_event
    outcome: Any = None
    while not answered() and clock().now() < end:
        left, patience = end - clock().now(), heartbeat_endpoint._heartbeat_seconds if beat else float("inf")
        _pause(env, min(left, patience), lambda: answered() or bool(beat and beat.is_set()))
        if not env.is_running():
            callback_endpoint.report(CallbackConsumerLeft())
            raise _OverError
        if beat and not answered() and not beat.is_set() and patience < left:
            outcome = HeartbeatTimedOut()
            break
        if beat:
            beat.clear()
    if answered():
        outcome = callback_endpoint.get_outcome()
        callback_endpoint.report(CallbackConsumerLeft())
        return outcome
    callback_endpoint.report(CallbackConsumerTimeout())
    return outcome or CallbackOutcomeTimedOut(callback_id=callback_endpoint.callback_id)


class _Thread(threading.Thread):
    """Thread of a task that may time out; in a worker the task runs at once, and its waits end at the time-out."""

    def start(self) -> None:
        if clock().in_worker():
            self.run()
        else:
            _starting(self)

    def run(self) -> None:
        _here.env = getattr(self, "env", None) or getattr(_here, "env", None)
        super().run()


def _starting(thread: Any) -> None:
    thread.env = getattr(_here, "env", None)
    threading.Thread.start(thread)


def _evaluate_with_timeout(self: Any, env: Any) -> None:
    try:
        _moto_evaluate(self, env)
    except _OverError as error:
        raise _UnwindError from error


def _eval_program(self: Any, env: Any) -> None:
    """Run a program until it ends or its TimeoutSeconds are over."""
    limit = self.timeout_seconds.timeout_seconds if self.timeout_seconds else None
    if limit is not None:
        env.deadline = clock().now() + limit
    env.next_state_name = self.start_at.start_at_name
    if clock().in_worker():
        EvalComponent.eval(self, env)
        return
    thread = threading.Thread(target=EvalComponent.eval, args=(self, env), daemon=True)
    thread.start()
    while thread.is_alive() and env.is_running():
        thread.join(_POLL_S)
        _expire(env)
    thread.join(1)  # it writes the last event


def _eval_states(self: Any, env: Any) -> None:
    if not env.is_frame():
        _here.env = env
    try:
        _moto_eval_states(self, env)
    except _UnwindError:
        _moto_eval_states(self, env)  # the execution has ended: this writes its last event


def _set_error(self: Any, error: Any) -> None:
    """Keep the status of an execution that was stopped or timed out before one of its tasks failed."""
    if self._program_state is None or self.is_running():
        _moto_set_error(self, error)


def _start(self: Any) -> None:
    clock().background(self._execution_logic, name=f"execution-{self._evaluation_details.execution_details.name}")


def _start_branch(self: Any) -> None:
    root = getattr(_here, "env", None)

    def routine() -> None:
        _here.env, self._worker_thread = root, threading.current_thread()
        self._thread_routine()

    clock().background(routine, name="branch")


def _wait_for_branches(self: Any) -> None:
    if clock().in_worker():
        _pause(_here.env, float("inf"), self._termination_event.is_set)
        if not self._termination_event.is_set():
            raise _UnwindError
    else:
        self._termination_event.wait()


class _Datetime(dt.datetime):
    """`datetime` whose current time is the clock's."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]  # the base returns its own class
        return clock().utc() if tz else clock().utc().replace(tzinfo=None)


_moto_parse = AmazonStateLanguageParser.parse
_moto_evaluate = ExecutionState._evaluate_with_timeout
_moto_eval_states = Program._eval_body
_moto_set_error = Environment.set_error


def install() -> None:
    """Let moto's interpreter follow the clock."""
    WaitFunction._wait_interval = _wait_interval
    retrier_decl.time = types.SimpleNamespace(sleep=_sleep)
    StateTaskServiceCallback._eval_wait_for_task_token = _wait_for_token
    execute_state.Thread = _Thread
    ExecutionState._evaluate_with_timeout = _evaluate_with_timeout
    Program.eval = _eval_program
    Program._eval_body = _eval_states
    Environment.set_error = _set_error
    ExecutionWorker.start = _start
    branch_worker.BranchWorker.start = _start_branch
    BranchWorkerPool.wait = _wait_for_branches
    EventManager._get_current_timestamp = staticmethod(lambda: clock().utc())
    present = types.SimpleNamespace(datetime=_Datetime, timezone=dt.timezone, date=dt.date, timedelta=dt.timedelta)
    # Components keep no state of an execution, and parsing takes a second.
    AmazonStateLanguageParser.parse = staticmethod(functools.lru_cache(maxsize=32)(_moto_parse))
    for module in (parser_models, execution_module, state, timestamp):
        module.datetime = present
