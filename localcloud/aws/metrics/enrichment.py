"""CloudWatch's OpenTelemetry enrichment: whether an account's metrics of SageMaker can be queried with PromQL in a Region.

SageMaker's documentation also requires `observabilityadmin start-telemetry-enrichment`; moto has no such service, and it is not checked here.
"""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores

from localcloud.aws.clock import clock

_ATTRIBUTE = "otel_enrichment"  # in the backend: a reset of moto ends the enrichment


def is_on(account: str, region: str) -> bool:
    """Whether the enrichment is on."""
    return _ATTRIBUTE in cloudwatch_backends[account][region].__dict__


def start(account: str, region: str, filters: dict[str, Any]) -> dict[str, Any]:
    """Start the enrichment, or replace the filters of a running one; filters are kept, and every metric is enriched."""
    backend = cloudwatch_backends[account][region]
    before = backend.__dict__.get(_ATTRIBUTE, {})
    now = clock().utc()
    known = {name: filters[name] for name in ("IncludeFilters", "ExcludeFilters") if filters.get(name)}
    backend.__dict__[_ATTRIBUTE] = known | {"CreatedAt": before.get("CreatedAt", now), "UpdatedAt": now}
    found: dict[str, Any] = backend.__dict__[_ATTRIBUTE]
    return found


def stop(account: str, region: str) -> None:
    """End the enrichment; samples that exist can be queried until they are too old."""
    cloudwatch_backends[account][region].__dict__.pop(_ATTRIBUTE, None)


def _backend(response: Any) -> CloudWatchBackend:
    backend: CloudWatchBackend = response.cloudwatch_backend
    return backend


def _start(self: Any) -> ActionResult:
    backend = _backend(self)
    return ActionResult(start(backend.account_id, backend.region_name, self._get_params()))


def _stop(self: Any) -> ActionResult:
    backend = _backend(self)
    stop(backend.account_id, backend.region_name)
    return ActionResult({})


def _get(self: Any) -> ActionResult:
    state = _backend(self).__dict__.get(_ATTRIBUTE)
    return ActionResult({"Status": "STOPPED"} if state is None else {"Status": "RUNNING", **state})


def install() -> None:
    """Add the operations to moto, which lacks them."""
    operations = {
        "StartOTelEnrichment": _start,
        "UpdateOTelEnrichment": _start,
        "StopOTelEnrichment": _stop,
        "GetOTelEnrichment": _get,
    }
    for name, handler in operations.items():
        setattr(CloudWatchResponse, camelcase_to_underscores(name), handler)
