"""Facts of the hardware: GPUs, SageMaker instance types, inference AMIs, Regions and prices, each with its source."""

from cdk_sglang.hardware.amis import InferenceAmi, ami_problems, inference_ami_for
from cdk_sglang.hardware.gpus import Gpu
from cdk_sglang.hardware.instances import GpuInstance, bigger_or_fewer
from cdk_sglang.hardware.prices import MAX_AGE_DAYS, Price, PriceTable, packaged_prices, price_usd_per_hour, read_prices
from cdk_sglang.hardware.regions import (
    dlc_account,
    pool_region_problems,
    region_doubts,
    region_problems,
    regions_without,
    zero_instances_problems,
)
from cdk_sglang.hardware.reservations import (
    PLAN_COUNTS,
    PLAN_MAX_DAYS,
    PLAN_MIN_DAYS,
    plan_count_problem,
    reservable_problem,
)

__all__ = [
    "MAX_AGE_DAYS",
    "PLAN_COUNTS",
    "PLAN_MAX_DAYS",
    "PLAN_MIN_DAYS",
    "Gpu",
    "GpuInstance",
    "InferenceAmi",
    "Price",
    "PriceTable",
    "ami_problems",
    "bigger_or_fewer",
    "dlc_account",
    "inference_ami_for",
    "packaged_prices",
    "plan_count_problem",
    "pool_region_problems",
    "price_usd_per_hour",
    "read_prices",
    "region_doubts",
    "region_problems",
    "regions_without",
    "reservable_problem",
    "zero_instances_problems",
]
