"""Service quotas of instances that somebody has set: SageMaker refuses what would go beyond them, and Service Quotas says their values.

A quota that nobody has set has the default that Service Quotas says here, and refuses nothing: which defaults an account of AWS has differs.
"""

from __future__ import annotations

from typing import Final

from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws.hosting.records import Endpoint
from localcloud.aws.hosting.store import Store

ALL_ENDPOINTS: Final = "Number of instances across active endpoints"
_OF_A_TYPE: Final = "{} for endpoint usage"
_values: dict[str, float] = {}


def put(name: str, value: float | None) -> None:
    """Set a quota by its name in Service Quotas, or with None give it back its default.

    Raises:
        ValueError: The value is negative.
    """
    if value is None:
        _values.pop(name, None)
    elif value < 0:
        raise ValueError(f"value: at least 0, got {value:g}")
    else:
        _values[name] = value


def values() -> dict[str, float]:
    """Values of the quotas that were set, by name."""
    return dict(_values)


def clear() -> None:
    """Give every quota back its default."""
    _values.clear()


def room(state: Store, instance_type: str, *, besides: Endpoint | None = None) -> float:
    """Instances of a type that the account may add to its endpoints; infinite if no quota was set.

    Args:
        state: SageMaker of one account and Region.
        instance_type: The type.
        besides: Endpoint whose instances do not count, such as one that is updated. Default: all count.
    """
    used = [
        one.type
        for endpoint in state.endpoints.values()
        if endpoint is not besides
        for instances in endpoint.instances.values()
        for one in instances
    ]
    of_type = _values.get(_OF_A_TYPE.format(instance_type), float("inf")) - used.count(instance_type)
    return min(of_type, _values.get(ALL_ENDPOINTS, float("inf")) - len(used))


def check(state: Store, instance_type: str, count: int, *, besides: Endpoint | None = None) -> None:
    """Refuse a request for more instances than the account may have, as CreateEndpoint and UpdateEndpoint do.

    Raises:
        SagemakerClientError: A quota would be exceeded.
    """
    left = room(state, instance_type, besides=besides)
    if count <= left:
        return
    name = _OF_A_TYPE.format(instance_type)
    name = name if name in _values else ALL_ENDPOINTS
    limit = _values[name]
    raise SagemakerClientError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{name}' is {limit:g} Instances, with current utilization of {limit - left:g} Instances and a "
        f"request delta of {count} Instances. Please use AWS Service Quotas to request an increase for this quota.",
    )
