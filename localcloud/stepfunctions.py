"""Step Functions: executions really run (moto's interpreter), and dates in task results are strings as on AWS."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from moto.core.config import default_user_config
from moto.stepfunctions import models
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends


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


_moto_start_execution = StepFunctionsParserBackend.start_execution


def install() -> None:
    """Put it in place of moto's."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    StateTaskService._normalise_response = _normalise
    StepFunctionsParserBackend.start_execution = _start_execution
    models.stepfunctions_backends = stepfunctions_parser_backends  # where the API looks: templates must create there
