"""What is said of a GPU type in a Region."""

from __future__ import annotations

import csv

import pytest

from cdk_sglang.hardware import GpuInstance, region_doubts
from tools import offerings


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", "us-west-2", "eu-central-1"])
def test_a_type_that_ec2_offers_is_not_doubted(region: str) -> None:
    assert region_doubts(region, GpuInstance.G6E_12XLARGE) == []


def test_a_type_that_ec2_does_not_offer_is_doubted_and_those_that_it_offers_are_named() -> None:
    (line,) = region_doubts("ap-southeast-5", GpuInstance.G6E_12XLARGE)
    assert line.startswith("EC2, on which SageMaker runs, is not known to offer ml.g6e.12xlarge in ap-southeast-5")
    assert "it has ml.g6.12xlarge, ml.g6.24xlarge, ml.g6.48xlarge; ask again with: cdk-sglang doctor" in line


def test_a_region_without_any_type_of_that_size_says_so() -> None:
    (line,) = region_doubts("ca-west-1", GpuInstance.G6E_12XLARGE)
    assert "it has none with as many GPUs" in line


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "ap-east-2"])
def test_a_region_that_is_not_recorded_is_unknown(region: str) -> None:
    assert region_doubts(region, GpuInstance.P5_48XLARGE) == [
        f"whether ml.p5.48xlarge is offered in {region} is unknown; ask with: cdk-sglang doctor"
    ]


@pytest.mark.parametrize("region", ["us-eats-1", "ap-southeast-1"])
def test_what_is_refused_anyway_is_not_doubted_too(region: str) -> None:
    assert region_doubts(region, GpuInstance.G5_12XLARGE) == []


def test_the_table_is_what_the_installed_moto_records() -> None:
    """If it is not: `python -m tools.offerings`."""
    with offerings.FILE.open(encoding="utf-8", newline="") as opened:
        assert list(csv.DictReader(opened)) == offerings.rows()
