"""Regions in which SageMaker or its GPU types are known to be unavailable; unknown combinations are not reported."""

from __future__ import annotations

from functools import cache

from cdk_sglang.checks import did_you_mean
from cdk_sglang.hardware.instances import GpuInstance
from cdk_sglang.hardware.tables import read_table


def regions_without(instance: GpuInstance) -> frozenset[str]:
    """Return the Regions documented as not having the type; other Regions may also lack it.

    Args:
        instance: Instance type.
    """
    return frozenset(region for region, name in _gaps() if name == instance.name)


def unknown_region(region: str) -> str | None:
    """Return a message if SageMaker has no endpoint in a Region; None if it has one.

    Args:
        region: AWS Region.
    """
    known = _sagemaker_regions()
    if region in known:
        return None
    return f"SageMaker has no endpoint in Region {region!r} (botocore 1.44.5); {did_you_mean(region, known)}"


def region_problems(region: str, instance: GpuInstance) -> list[str]:
    """Return the known problems of using the type in the Region; an empty list does not guarantee capacity.

    Args:
        region: AWS Region.
        instance: Instance type.
    """
    if (unknown := unknown_region(region)) is not None:
        return [unknown]
    if region in regions_without(instance):
        others = [
            other.name for other in GpuInstance.all() if other.gpu_count >= instance.gpu_count and other != instance
        ]
        near = ", ".join(name for name in others if (name, region) not in _absent())
        source = _gaps()[region, instance.name]
        return [
            f"{instance.name} is documented as not available in {region} ({source}); another Region, or one of {near}"
        ]
    return []


def region_doubts(region: str, instance: GpuInstance) -> list[str]:
    """Return why the type may be unavailable in the Region although this is not documented; an empty list does not guarantee capacity.

    AWS publishes no list of SageMaker's types by Region. What EC2 does not offer, SageMaker cannot run.

    Args:
        region: AWS Region.
        instance: Instance type.
    """
    if region not in _sagemaker_regions() or region in regions_without(instance):
        return []  # `region_problems` reports it
    if region not in _offered():
        return [f"whether {instance.name} is offered in {region} is unknown; ask with: cdk-sglang doctor"]
    types, source = _offered()[region]
    if instance.name in types:
        return []
    near = [one.name for one in GpuInstance.all() if one.name in types and one.gpu_count >= instance.gpu_count]
    offers = f"of types with as many GPUs it has {', '.join(near)}" if near else "it has none with as many GPUs"
    doubt = f"EC2, on which SageMaker runs, is not known to offer {instance.name} in {region} ({source})"
    return [f"{doubt}; {offers}; ask again with: cdk-sglang doctor"]


def pool_region_problems(region: str) -> list[str]:
    """Return the problems of a pool of several instance types in the Region.

    Args:
        region: AWS Region.
    """
    known = _pool_regions()
    if region in known or region not in _sagemaker_regions():
        return []
    there = ", ".join(sorted(known))
    return [
        f"{region} is not documented to have instance pools; use one instance type, or a Region that has them: {there}"
    ]


def zero_instances_problems(region: str, instance: GpuInstance) -> list[str]:
    """Return the known problems of scaling the type to zero instances in the Region.

    Args:
        region: AWS Region.
        instance: Instance type.
    """
    source = _zero_refused().get((region, instance.name)) or _zero_refused().get((region, "*"))
    if source is None:
        return []
    return [f"0 is refused for {instance.name} in {region}: {source}; use 1 or more, or another Region"]


def dlc_account(region: str) -> str | None:
    """Return the account with AWS's deep learning containers in the Region; None if there is none, or if the Region is newer than the table.

    Args:
        region: AWS Region.
    """
    return _dlc_accounts().get(region)


@cache
def _dlc_accounts() -> dict[str, str]:
    return {row["region"]: row["account"] for row in read_table(__file__, "dlc_accounts.csv")}


@cache
def _pool_regions() -> frozenset[str]:
    return frozenset(row["region"] for row in read_table(__file__, "pool_regions.csv"))


@cache
def _zero_refused() -> dict[tuple[str, str], str]:
    return {(row["region"], row["instance"]): row["source"] for row in read_table(__file__, "zero_instances.csv")}


@cache
def _sagemaker_regions() -> frozenset[str]:
    return frozenset(row["region"] for row in read_table(__file__, "regions.csv"))


@cache
def _gaps() -> dict[tuple[str, str], str]:
    rows = read_table(__file__, "region_gaps.csv")
    return {(row["region"], row["instance"]): row["source"] for row in rows}


@cache
def _offered() -> dict[str, tuple[frozenset[str], str]]:
    """Return, for each recorded Region, the types that EC2 offers there and the source; tools/offerings.py writes the data."""
    rows = read_table(__file__, "ec2_offerings.csv")
    return {row["region"]: (frozenset(row["types"].split()), row["source"]) for row in rows}


def _absent() -> frozenset[tuple[str, str]]:
    return frozenset((name, region) for region, name in _gaps())
