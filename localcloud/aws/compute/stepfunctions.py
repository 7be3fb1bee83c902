"""Step Functions: executions really run, in moto's interpreter; their ends become events, and their history has pages."""

from __future__ import annotations

import datetime as dt
import json
import types
import uuid
from typing import Any

import boto3
from moto.core.config import default_user_config
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions import models
from moto.stepfunctions.exceptions import AWSError
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcomeFailure, CallbackOutcomeSuccess
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud.aws.clock import clock
from localcloud.aws.compute import event_rules, executions
from localcloud.aws.door import permissions
from localcloud.aws.settings import current


def _normalise(self: Any, response: Any, *_: Any, **__: Any) -> None:
    """Convert dates in a response to text, since Step Functions passes on JSON; moto leaves boto3's dates unconverted."""
    del self
    items = (
        response.items() if isinstance(response, dict) else enumerate(response) if isinstance(response, list) else ()
    )
    for key, value in list(items):
        if isinstance(value, dt.date):
            response[key] = value.isoformat()
        else:
            _normalise(None, value)


def _start_execution(self: Any, state_machine_arn: str, name: str | None = None, *args: Any, **options: Any) -> Any:
    """Name an execution that has no name; moto would name every such execution None."""
    execution = _moto_start_execution(self, state_machine_arn, name or str(uuid.uuid4()), *args, **options)
    if execution.status == "RUNNING":
        _tell(execution)
    return execution


def _terminated(self: Any) -> None:
    """Keep the outcome of an execution that has ended, and tell EventBridge."""
    execution, end = self.execution, self.execution.exec_worker.env.program_state()
    self._reflect_execution_status()
    if execution.status == "ABORTED":
        execution.error, execution.cause = end.error or None, end.cause or None
    _tell(execution)


def _tell(execution: Any) -> None:
    """Publish the status of an execution (Step Functions developer guide, EventBridge events, read 2026-11)."""
    stopped, succeeded = execution.stop_date, execution.status == "SUCCEEDED"
    detail = {
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": int(execution.start_date.timestamp() * 1000),
        "stopDate": int(stopped.timestamp() * 1000) if stopped else None,
        "input": execution.execution_input,
        "output": json.dumps(execution.output) if succeeded else None,
        "inputDetails": {"included": True},
        "outputDetails": {"included": True} if succeeded else None,
        "error": execution.error,
        "cause": execution.cause,
    }
    event_rules.publish(
        execution.account_id,
        execution.region_name,
        source="aws.states",
        detail_type="Step Functions Execution Status Change",
        resources=[execution.execution_arn],
        detail=detail,
    )


def _stop(self: StepFunctionResponse) -> ActionResult:
    """StopExecution, with the error and the cause that moto drops; an execution that has ended is not changed."""
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    if execution.status == "RUNNING":
        execution.stop(stop_date=clock().utc(), error=self._get_param("error"), cause=self._get_param("cause"))
        clock().settle()
    return ActionResult({"stopDate": execution.stop_date or clock().utc()})


def _describe(self: StepFunctionResponse) -> ActionResult:
    answer = _moto_describe(self)
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    if execution.stop_date is not None:
        answer.result["stopDate"] = execution.stop_date
    return answer


def _history(self: StepFunctionResponse) -> ActionResult:
    """GetExecutionHistory in pages of maxResults (100), newest first with reverseOrder."""
    events = list(self.stepfunction_backend.get_execution_history(self._get_param("executionArn")).get("events", []))
    if self._get_bool_param("reverseOrder", False):
        events.reverse()
    start, size = int(self._get_param("nextToken") or 0), int(self._get_param("maxResults") or 0) or _PAGE
    page: dict[str, Any] = {"events": events[start : start + size]}
    return ActionResult(page | ({"nextToken": str(start + size)} if start + size < len(events) else {}))


def _send_success(self: StepFunctionResponse) -> ActionResult:
    token = self._get_param("taskToken")
    return _answer(self, CallbackOutcomeSuccess(callback_id=token, output=self._get_param("output")))


def _send_failure(self: StepFunctionResponse) -> ActionResult:
    token, error, cause = (self._get_param(name) for name in ("taskToken", "error", "cause"))
    return _answer(self, CallbackOutcomeFailure(callback_id=token, error=error, cause=cause))


def _send_heartbeat(self: StepFunctionResponse) -> ActionResult:
    return _answer(self, self._get_param("taskToken"))


def _answer(self: StepFunctionResponse, outcome: Any) -> ActionResult:
    """Send an outcome, or a heartbeat (only the token), to the task with this token, whose execution may have ended."""
    token = outcome if isinstance(outcome, str) else outcome.callback_id
    executions = [run for machine in self.stepfunction_backend.state_machines for run in machine.executions]
    pools = [run.exec_worker.env.callback_pool_manager for run in executions if run.exec_worker and run.exec_worker.env]
    endpoint = next((found for pool in pools if (found := pool.get(token))), None)
    if endpoint is None:
        raise AWSError("Invalid token", "InvalidToken")
    if endpoint.consumer_error is not None:
        raise AWSError("Task Timed Out: the token has expired, or its task is closed", "TaskTimedOut")
    if outcome is token:
        endpoint.notify_heartbeat()
    else:
        endpoint.notify(outcome)
    clock().settle()
    return EmptyResult()


def _client(*, service_name: str, region_name: str, config: Any, endpoint_url: str | None = None, **_: Any) -> Any:
    """Client of a state machine's tasks with a session of its role, with the credentials of this start if there is no such role.

    moto's own has credentials that the door refuses.
    """
    keys = permissions.session_of(executions.role(), region_name) or current().credentials.environment
    key = (service_name, region_name, endpoint_url, keys["AWS_ACCESS_KEY_ID"])
    if key not in _clients:
        _clients[key] = boto3.client(  # type: ignore[call-overload]  # any service
            service_name,
            region_name=region_name,
            config=config,
            endpoint_url=endpoint_url,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys.get("AWS_SESSION_TOKEN"),
        )
    return _clients[key]


_clients: dict[tuple[Any, ...], Any] = {}
_PAGE = 100
"""Events of a page of GetExecutionHistory without maxResults (API reference, read 2026-11)."""
_moto_describe = StepFunctionResponse.describe_execution
_moto_start_execution = StepFunctionsParserBackend.start_execution


def install() -> None:
    """Enable moto's interpreter, and repair it."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    StateTaskService._normalise_response = _normalise
    StepFunctionsParserBackend.start_execution = _start_execution
    BaseExecutionWorkerCommunication.terminated = _terminated
    StepFunctionResponse.stop_execution = _stop
    StepFunctionResponse.describe_execution = _describe
    StepFunctionResponse.get_execution_history = _history
    StepFunctionResponse.send_task_success = _send_success
    StepFunctionResponse.send_task_failure = _send_failure
    StepFunctionResponse.send_task_heartbeat = _send_heartbeat
    executions.install()
    boto_client.boto3 = types.SimpleNamespace(client=_client)
    models.stepfunctions_backends = stepfunctions_parser_backends  # the API reads from here
