"""The accept length of a canary, read with CloudWatch's PromQL; None if CloudWatch does not answer, since speed alone decides."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from string import Template
from typing import Any

from .promql import series_of

_SHORTEST_SECONDS = 60

_log = logging.getLogger()


def accept_length(
    session: Any, address: str, query: str, *, component: str, start: dt.datetime, end: dt.datetime
) -> float | None:
    """Return the mean accept length of a component over a period.

    Args:
        session: Session of boto3, for Region and credentials.
        address: Address of CloudWatch.
        query: PromQL with ${component} and ${window}.
        component: Name of the component in SageMaker.
        start: Start of the period.
        end: End of the period.
    """
    seconds = max(_SHORTEST_SECONDS, int((end - start).total_seconds()))
    try:
        text = Template(query).substitute(component=component, window=f"{seconds}s")
        series = series_of(session, address, text, end)
        values = [float(one["value"][1]) for one in series]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:  # HTTP errors are OSErrors
        _log.warning(json.dumps({"accept_length": None, "because": f"CloudWatch's PromQL did not answer: {error}"}))
        return None
    values = [value for value in values if math.isfinite(value) and value >= 1]
    return sum(values) / len(values) if values else None
