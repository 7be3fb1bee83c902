"""Step Functions: executions really run, in moto's interpreter, and dates in task results are strings as on AWS."""

from __future__ import annotations

import datetime as dt
import types
import uuid
from typing import Any

import boto3
from moto.core.config import default_user_config
from moto.stepfunctions import models
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from localcloud.aws.settings import current


def _normalise(self: Any, response: Any, *_: Any, **__: Any) -> None:
    """Convert dates in a response to text, since Step Functions passes JSON on; moto leaves boto3's dates in."""
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
    return _moto_start_execution(self, state_machine_arn, name or str(uuid.uuid4()), *args, **options)


def _client(**options: Any) -> Any:
    """Client of a state machine's tasks, with the credentials of this start; moto's has credentials that the door refuses."""
    credentials = current().credentials
    keys = {"aws_access_key_id": credentials.access_key_id, "aws_secret_access_key": credentials.secret_access_key}
    return boto3.client(**options | keys)


_moto_start_execution = StepFunctionsParserBackend.start_execution


def install() -> None:
    """Turn moto's interpreter on, and repair it."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    StateTaskService._normalise_response = _normalise
    StepFunctionsParserBackend.start_execution = _start_execution
    boto_client.boto3 = types.SimpleNamespace(client=_client)
    models.stepfunctions_backends = stepfunctions_parser_backends  # where the API looks: templates must create there
