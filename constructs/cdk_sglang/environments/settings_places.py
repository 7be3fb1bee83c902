"""Checks that the resources an environment names are in its Region and account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cdk_sglang.environments.settings_alarms import Alarms
from cdk_sglang.errors import Problem
from cdk_sglang.spec.endpoint import Endpoint

_ARN: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):[a-z0-9-]+:(?P<region>[a-z0-9-]+):")
_PARTITIONS: Final = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
"""Partitions other than `aws`, by the prefix of their Region names."""


def place_problems(
    region: str | None, account: str | None, *, alarms: Alarms, endpoints: Mapping[str, Endpoint]
) -> Iterator[Problem]:
    """Yield a problem for every resource that cannot be used from the environment's Region and account, as far as the file names them.

    Topics, secrets and keys of other accounts are not rejected: their policies may allow the access.

    Args:
        region: Region of the environment, which must exist; None if the file names none.
        account: Its account; None if the file names none.
        alarms: Targets that alarms notify.
        endpoints: Endpoints by name.
    """
    for name, endpoint in endpoints.items():
        reserved = endpoint.capacity.reservation
        if reserved is not None:
            for problem in reserved.place_problems(region=region, account=account):
                yield problem.under(f"endpoints.{name}.capacity.reserved")
    if region is None:
        return
    places: dict[str, str | None] = {"alarms.topic": alarms.topic, "alarms.page": alarms.page}
    for name, endpoint in endpoints.items():
        for component, specification in endpoint.components.items():
            path = f"endpoints.{name}.components.{component}"
            model = specification.model
            places |= {
                f"{path}.model.{key}": getattr(model, key) for key in ("token_secret", "token_kms_key", "kms_key")
            }
            places |= {
                f"{path}.adapters.{one}.kms_key": adapter.kms_key for one, adapter in specification.adapters.items()
            }
    for path, arn in places.items():
        there = _ARN.match(arn or "")
        if there is not None and there["region"] != region:
            yield Problem(path, f"{arn} is in {there['region']}, the environment in {region}; name one of {region}")
        elif there is not None and there["partition"] != (partition := _partition(region)):
            text = (
                f"{arn} is of partition {there['partition']}, and {region} is in {partition}; write arn:{partition}:…"
            )
            yield Problem(path, text)


def _partition(region: str) -> str:
    """Return the partition of a Region."""
    return next((name for begin, name in _PARTITIONS.items() if region.startswith(f"{begin}-")), "aws")
