"""Log groups of the gate's canaries, created before SageMaker writes to them: it would create them without retention, two for every run."""

from __future__ import annotations

import json
import logging

from botocore.exceptions import ClientError

from .canaries import SIDES, endpoint_of, name_of
from .clients import Aws
from .ends import Throttled, code_of, is_throttle, message_of

_COMPONENTS, _ENDPOINTS = "/aws/sagemaker/InferenceComponents/", "/aws/sagemaker/Endpoints/"
_EXISTS = "ResourceAlreadyExistsException"
_log = logging.getLogger()


def make_log_groups(aws: Aws, run: str, *, retention_days: int, second_endpoint: bool) -> None:
    """Create the log groups of a run's canaries; an error is logged and does not stop the run, since the measurement needs no retention.

    Args:
        aws: Clients.
        run: Name of the run.
        retention_days: Days that the logs are kept.
        second_endpoint: Whether the canaries get an endpoint of their own.

    Raises:
        Throttled: CloudWatch Logs throttles requests.
    """
    names = [f"{_COMPONENTS}{name_of(run, side)}" for side in SIDES]
    names += [f"{_ENDPOINTS}{endpoint_of(run)}"] if second_endpoint else []
    for name in names:
        try:
            _make(aws, name, retention_days)
        except ClientError as error:
            if is_throttle(error):
                raise Throttled(f"{code_of(error)}: {message_of(error)}") from error
            _log.warning(json.dumps({"log_group": name, "refused": f"{code_of(error)}: {message_of(error)}"}))


def _make(aws: Aws, name: str, retention_days: int) -> None:
    try:
        aws.logs.create_log_group(logGroupName=name)
    except ClientError as error:
        if code_of(error) != _EXISTS:
            raise
    aws.logs.put_retention_policy(logGroupName=name, retentionInDays=retention_days)
