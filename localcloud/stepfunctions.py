"""Step Functions: executions really run (moto's interpreter), and dates in task results are strings as on AWS."""

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

from localcloud.settings import current


def _normalise(self: Any, response: Any, *_: Any, **__: Any) -> None:
    """Undo that moto leaves boto3's dates in; Step Functions hands JSON on."""
    del self
    items = (
        response.items() if isinstance(response, dict) else enumerate(response) if isinstance(response, list) else ()
    )
    for key, value in list(items):
        if isinstance(value, dt.date):
            response[key] = value.isoformat()
        else:
            _normalise(None, value)


def _start_execution(self: Any, state_machine_arn: str, name: str | None = None, *given: Any, **more: Any) -> Any:
    """Name an execution that came without a name; moto would call every one of them None."""
    return _moto_start_execution(self, state_machine_arn, name or str(uuid.uuid4()), *given, **more)


def _client(**given: Any) -> Any:
    """Sign what a state machine asks of the other services with this start's credentials; moto would with those of nobody."""
    mine = current().credentials
    keys = {"aws_access_key_id": mine.access_key_id, "aws_secret_access_key": mine.secret_access_key}
    return boto3.client(**given | keys)


_moto_start_execution = StepFunctionsParserBackend.start_execution


def install() -> None:
    """Put it in place of moto's."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    StateTaskService._normalise_response = _normalise
    StepFunctionsParserBackend.start_execution = _start_execution
    boto_client.boto3 = types.SimpleNamespace(client=_client)
    models.stepfunctions_backends = stepfunctions_parser_backends  # where the API looks: templates must create there
