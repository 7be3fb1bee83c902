"""Step Functions: executions really run (moto's interpreter), and dates in task results are strings as on AWS."""

from __future__ import annotations

import datetime as dt
from typing import Any

from moto.core.config import default_user_config
from moto.stepfunctions import models
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.models import stepfunctions_parser_backends


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


def install() -> None:
    """Put it in place of moto's."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    StateTaskService._normalise_response = _normalise
    models.stepfunctions_backends = stepfunctions_parser_backends  # where the API looks: templates must create there
