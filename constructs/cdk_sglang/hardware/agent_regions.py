"""Availability of Bedrock AgentCore: Regions of its runtimes, gateways, memories and policies, and Availability Zones of runtimes.

Regions are those of AWS's page (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-regions.html, read 2026-11). Zone ids are
those of https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-vpc.html as public guides quoted it in 2025-11, for nine Regions; AWS
adds zones, so the list is informative and no other zone is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, TypeAlias

from cdk_sglang.checks import did_you_mean
from cdk_sglang.hardware.tables import read_table

_NAMES: Final = {"memory": "AgentCore memory", "policy": "policies of AgentCore gateways"}


AgentCorePart: TypeAlias = Literal["runtime", "memory", "policy"]
"""Parts of AgentCore with their own lists of Regions."""


def agentcore_region_problem(region: str, part: AgentCorePart = "runtime") -> str | None:
    """Return why AgentCore, or a part of it, is not available in a Region; None if it is available or this is unknown.

    Args:
        region: AWS Region.
        part: `runtime` for runtimes and gateways, which every Region with AgentCore has; `memory` or `policy`.
    """
    known = _regions()
    if region not in known:
        return f"AgentCore is not in Region {region}; {did_you_mean(region, known)}"
    if part == "runtime" or known[region][part] != "no":
        return None
    there = ", ".join(name for name, row in known.items() if row[part] == "yes")
    return f"Region {region} has no {_NAMES[part]}; use one of {there}"


def agentcore_zone_ids(region: str) -> tuple[str, ...]:
    """Return the ids of the Availability Zones that runtimes of a Region may join; empty if unknown.

    Args:
        region: AWS Region.
    """
    row = _regions().get(region)
    return () if row is None else tuple(row["zone_ids"].split())


@cache
def _regions() -> Mapping[str, Mapping[str, str]]:
    return {row["region"]: row for row in read_table(__file__, "agentcore_regions.csv")}
