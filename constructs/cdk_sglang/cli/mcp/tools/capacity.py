"""`search_capacity`: offerings of reserved GPUs, as `cdk-sglang capacity search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.cli.mcp.problems import argument_names
from cdk_sglang.cli.mcp.tool import Count, Region, Text, Tool, bounded
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.cli.offerings import Offering
    from cdk_sglang.hardware import GpuInstance, Price

_OFFERINGS: Final = 10


class FindCapacity(Spec):
    """Requirements on an offering."""

    instance: Text
    """Instance type, such as ml.p5en.48xlarge."""

    count: int = 1
    """Number of instances: 1, 2, 4, 8, 16, 32 or 64."""

    days: int = 7
    """Length in days, 1 to 182."""

    after: Text | None = None
    """Earliest start, such as 2027-03-01; now by default."""

    before: Text | None = None
    """Latest end."""

    region: Region | None = None
    """Region; that of the AWS settings by default."""


class OfferingRow(Spec):
    """A training plan for sale."""

    offering: str
    """Its id."""

    instance: str
    """Instance type."""

    count: int
    """Instances."""

    start: str | None
    """Start, in ISO 8601."""

    end: str | None
    """End, in ISO 8601."""

    hours: float
    """Hours, over all blocks."""

    blocks: int
    """Blocks of time that it consists of."""

    availability_zone: str | None
    """Availability Zone."""

    upfront_fee: str | None
    """What it costs in all, paid up front and not refundable."""

    currency: str
    """Currency of the fee."""

    price_per_gpu_hour: float | None
    """The fee by GPU and hour."""

    on_demand_usd_per_gpu_hour: float | None
    """US dollars by GPU and hour on demand; null if no price is known."""

    on_demand_is_estimate: bool
    """Whether that price was inferred from another Region or service."""


class Offerings(Spec):
    """Offerings for endpoints, earliest start first."""

    region: str
    """Region that was searched."""

    offerings: list[OfferingRow]
    """The offerings."""

    more: Count
    """Offerings left out."""

    next_step: str
    """What to do with them, or where to look if there are none."""


def _search(query: FindCapacity, workspace: Workspace) -> Offerings:
    from cdk_sglang.cli.aws import client
    from cdk_sglang.cli.offerings import OfferingRequest, search
    from cdk_sglang.cli.own import own_prices
    from cdk_sglang.hardware import price_usd_per_hour

    prices = own_prices(folder=workspace.environments())
    request = OfferingRequest.parse(
        query.instance, count=query.count, days=query.days, after=query.after, before=query.before
    )
    sagemaker = client("sagemaker", region=query.region, attempts=3, read_timeout_s=20)
    region = sagemaker.meta.region_name
    offerings, more = bounded(search(sagemaker, request), _OFFERINGS)
    price = price_usd_per_hour(request.instance, region, table=prices)
    buying = (
        f"nothing was bought; a person buys at a terminal, by typing the price: cdk-sglang capacity reserve --type {request.instance.name} "
        f"--count {request.count} --days {request.days} --region {region} --name <name>"
    )
    return Offerings(
        region=region,
        offerings=[_row(one, price, request.instance) for one in offerings],
        more=more,
        next_step=buying if offerings else argument_names(request.nothing_offered, SEARCH_CAPACITY),
    )


def _row(offering: Offering, price: Price | None, instance: GpuInstance) -> OfferingRow:
    return OfferingRow(
        offering=offering.id,
        instance=offering.instance,
        count=offering.count,
        start=None if offering.start is None else offering.start.isoformat(),
        end=None if offering.end is None else offering.end.isoformat(),
        hours=offering.hours,
        blocks=offering.blocks,
        availability_zone=offering.zone or None,
        upfront_fee=offering.fee or None,
        currency=offering.currency,
        price_per_gpu_hour=offering.per_gpu_hour,
        on_demand_usd_per_gpu_hour=None if price is None else price.usd_per_hour / instance.gpu_count,
        on_demand_is_estimate=price is not None and price.is_estimate,
    )


SEARCH_CAPACITY: Final = Tool(
    name="search_capacity",
    title="Search reserved GPU capacity",
    description=(
        "Offerings of reserved GPUs for endpoints (SageMaker training plans) with start, end and fee, next to the price on demand. Use it when "
        "instances on demand are not available, or run for weeks. It asks AWS and buys nothing: only a person at a terminal can buy."
    ),
    takes=FindCapacity,
    gives=Offerings,
    answer=_search,
    calls_aws=True,
    options={"type": "instance"},
)
