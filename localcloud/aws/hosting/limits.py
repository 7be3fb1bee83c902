"""Service quotas of the account: AWS's defaults, requested increases, and values that were set.

SageMaker refuses requests that would exceed them, and Service Quotas returns their values. The defaults are those of a new account
(`data/quotas.csv`, with the source of each): 0 for every GPU type, so that a fleet is refused here as it would be there until an increase
is granted. One account's quotas hold in all its Regions here.
"""

from __future__ import annotations

import csv
import fnmatch
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws.clock import clock
from localcloud.aws.hosting.records import Endpoint
from localcloud.aws.hosting.store import Store
from localcloud.aws.settings import current

ALL_ENDPOINTS: Final = "Number of instances across active endpoints"
ONE_ENDPOINT: Final = "Maximum number of instances per endpoint"
OF_A_TYPE: Final = "{} for endpoint usage"
OF_JOBS: Final = "{} for training job usage"
_FILE: Final = Path(__file__).with_name("data") / "quotas.csv"
_UNLISTED: Final = 0.0
"""Default for a type that AWS's list of 2024 lacks: newer GPUs, which new accounts have to request."""


@dataclass(frozen=True)
class Default:
    """A quota's code, empty if unknown, and its value in a new account."""

    code: str
    value: float


@dataclass(frozen=True, kw_only=True)
class _Increase:
    value: float
    due: float


_values: dict[str, float] = {}
_increases: dict[str, list[_Increase]] = {}


@functools.cache
def defaults() -> Mapping[str, Default]:
    """Quotas of a new account whose defaults are known, by name."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: Default(row["code"], float(row["value"])) for row in csv.DictReader(file)}


def default(name: str) -> float:
    """Value of a quota in a new account."""
    found = defaults().get(name)
    return _UNLISTED if found is None else found.value


def value(name: str) -> float:
    """Current value of a quota: the one that was set, else the last granted increase, else the account's own, else AWS's default."""
    if name in _values:
        return _values[name]
    granted = [one.value for one in _increases.get(name, ()) if one.due <= clock().now()]
    own = (number for pattern, number in current().quotas.items() if fnmatch.fnmatchcase(name, pattern))
    return granted[-1] if granted else next(own, default(name))


def increase(name: str, number: float) -> None:
    """Raise a quota once `Settings.quota_s` have passed."""
    _increases.setdefault(name, []).append(_Increase(value=number, due=clock().now() + current().quota_s))


def put(name: str, number: float | None) -> None:
    """Set a quota by its name in Service Quotas, or with None restore its previous value.

    Raises:
        ValueError: The value is negative.
    """
    if number is None:
        _values.pop(name, None)
    elif number < 0:
        raise ValueError(f"value: at least 0, got {number:g}")
    else:
        _values[name] = number


def values() -> dict[str, float]:
    """Values of the quotas that were set, by name."""
    return dict(_values)


def clear() -> None:
    """Forget values that were set or granted."""
    _values.clear()
    _increases.clear()


def room(state: Store, instance_type: str, *, besides: Endpoint | None = None, of: Endpoint | None = None) -> float:
    """Instances of a type that the account may add to its endpoints.

    Args:
        state: SageMaker of one account and Region.
        instance_type: The type.
        besides: Endpoint whose instances do not count, such as one that is updated. Default: all count.
        of: Endpoint to which the instances are added. Default: a new one.
    """
    return min(limit - used for _, limit, used in _used(state, instance_type, besides=besides, of=of, more=()))


def check(
    state: Store,
    instance_type: str,
    count: int,
    *,
    besides: Endpoint | None = None,
    more: Sequence[tuple[str, int]] = (),
) -> None:
    """Refuse a request for more instances than the account may have, as CreateEndpoint and UpdateEndpoint do.

    Args:
        state: SageMaker of one account and Region.
        instance_type: The type.
        count: Number of instances requested.
        besides: Endpoint whose instances do not count, such as one that is updated. Default: all count.
        more: Types and numbers of further instances in the same request.

    Raises:
        SagemakerClientError: A quota would be exceeded.
    """
    for name, limit, used in _used(state, instance_type, besides=besides, of=None, more=more):
        if used + count > limit:
            raise SagemakerClientError("ResourceLimitExceeded", message(name, limit, used=used, count=count))


def _used(
    state: Store, instance_type: str, *, besides: Endpoint | None, of: Endpoint | None, more: Sequence[tuple[str, int]]
) -> list[tuple[str, float, int]]:
    """Name, value and use of each quota that one more instance of a type counts against."""
    own: Counter[str] = Counter()
    for kind, count in more:
        own[kind] += count
    for endpoint in state.endpoints.values():
        if endpoint is of:
            own.update(one.type for instances in endpoint.instances.values() for one in instances)
    everywhere = Counter(own)
    for endpoint in state.endpoints.values():
        if endpoint is not of and endpoint is not besides:
            everywhere.update(one.type for instances in endpoint.instances.values() for one in instances)
    of_a_type = OF_A_TYPE.format(instance_type)
    return [
        (of_a_type, value(of_a_type), everywhere[instance_type]),
        (ALL_ENDPOINTS, value(ALL_ENDPOINTS), everywhere.total()),
        (ONE_ENDPOINT, value(ONE_ENDPOINT), own.total()),
    ]


def message(name: str, limit: float = 0, *, used: int = 0, count: int = 1) -> str:
    """Return SageMaker's message about a quota that is used up.

    https://docs.aws.amazon.com/sagemaker/latest/dg/regions-quotas.html shows it (read 2026-12).

    Args:
        name: Name of the quota.
        limit: Its value.
        used: Number of instances in use.
        count: Number of instances requested.
    """
    return (
        f"The account-level service limit '{name}' is {limit:g} Instances, with current utilization of {used} Instances and a request "
        f"delta of {count} Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
        "available, contact AWS support to request an increase for this quota."
    )
