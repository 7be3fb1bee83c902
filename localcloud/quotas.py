"""Service quotas of `make local`: its account is new, with AWS's defaults, and requests what the deployed environment needs, as on AWS."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import boto3

from localcloud.background import console

_OF_A_TYPE: Final = "{} for endpoint usage"
_ALL: Final = "Number of instances across active endpoints"
_ONE: Final = "Maximum number of instances per endpoint"


def needed(assembly: Path) -> dict[str, int]:
    """Return the quotas that an environment's endpoints need at their largest, by name.

    Args:
        assembly: Folder of its templates.
    """
    needs: Counter[str] = Counter()
    for file in assembly.glob("*.template.json"):
        resources = json.loads(file.read_text(encoding="utf-8")).get("Resources", {}).values()
        for config in (one for one in resources if one["Type"] == "AWS::SageMaker::EndpointConfig"):
            variants = config["Properties"].get("ProductionVariants", [])
            for variant in variants:
                for kind in _types(variant):
                    needs[_OF_A_TYPE.format(kind)] += _most(variant)
            needs[_ALL] += sum(map(_most, variants))
            needs[_ONE] = max(needs[_ONE], sum(map(_most, variants)))
    return dict(needs)


def _types(variant: dict[str, Any]) -> list[str]:
    pools = [pool["InstanceType"] for pool in variant.get("InstancePools", ())]
    return pools or [variant["InstanceType"]]


def _most(variant: dict[str, Any]) -> int:
    scaling = variant.get("ManagedInstanceScaling", {}).get("MaxInstanceCount", 0)
    return max(int(scaling), int(variant.get("InitialInstanceCount", 1)))


def grant(session: boto3.session.Session, url: str, assembly: Path) -> None:
    """Request an increase of each quota that is too small for an environment, and print what was granted.

    Args:
        session: Credentials of the embedded AWS.
        url: Its address.
        assembly: Folder of the environment's templates.
    """
    client = session.client("service-quotas", endpoint_url=url)
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    quotas = {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}
    for name, number in sorted(needed(assembly).items()):
        quota = quotas.get(name)
        if quota is None or quota["Value"] >= number:
            continue
        client.request_service_quota_increase(
            ServiceCode="sagemaker", QuotaCode=quota["QuotaCode"], DesiredValue=float(number)
        )
        console.print(
            f"· quota granted: '{name}' ({quota['QuotaCode']}) is now {number}; a new account has {quota['Value']:g}",
            markup=False,
            soft_wrap=True,
        )
