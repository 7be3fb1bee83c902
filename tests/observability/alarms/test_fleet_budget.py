"""The alarm on what a fleet costs per hour: its query, judged by the real Prometheus, and what it says where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.observability.alarms.fleet_budget import fleet_budget_properties, fleet_cost_query
from cdk_sglang.observability.observed import ObservedEndpoint
from tests.observability.alarms.fleets import observed
from tests.observability.alarms.promtool import firing

TYPE = "ml.g6e.12xlarge"


def _endpoints(*names: str) -> list[ObservedEndpoint]:
    one = observed({"llama": {}})
    return [replace(one, name=name, endpoint_name=f"prod-{name}") for name in names]


def _price() -> float:
    price = price_usd_per_hour(GpuInstance.of(TYPE), "us-east-1")
    assert price is not None
    return price.usd_per_hour


def _gpu(endpoint: str, host: str, gpu: int = 0) -> str:
    return (
        f'DCGM_FI_DEV_GPU_UTIL{{"aws.sagemaker.endpoint.name"="{endpoint}","@resource.host.type"="{TYPE}",'
        f'"@resource.host.id"="{host}",gpu="{gpu}"}}'
    )


def _fires(folder: Path, series: dict[str, str], budget: float, minute: int = 45) -> bool:
    properties: Any = fleet_budget_properties(fleet_cost_query(_endpoints("chat", "code")), budget)
    return bool(firing(folder, properties=[properties], series=series, minutes=[minute])[minute])


def test_instances_of_all_endpoints_count_once_each_and_those_of_others_do_not(tmp_path: Path) -> None:
    series = {
        _gpu("prod-chat", "i-1"): "50x60",
        _gpu("prod-chat", "i-1", 1): "50x60",
        _gpu("prod-code", "i-2"): "50x60",
        _gpu("dev-chat", "i-3"): "50x60",
    }
    price = _price()
    assert _fires(tmp_path, series, 2 * price - 0.01)
    assert not _fires(tmp_path, series, 2 * price + 0.01)


def test_an_endpoint_that_sleeps_hides_nothing_of_the_others(tmp_path: Path) -> None:
    assert _fires(tmp_path, {_gpu("prod-code", "i-2"): "50x60"}, _price() - 0.01)


def test_a_fleet_that_sleeps_costs_nothing(tmp_path: Path) -> None:
    assert not _fires(tmp_path, {_gpu("dev-chat", "i-3"): "50x60"}, 0.01)


def test_a_minute_above_the_budget_is_no_alarm(tmp_path: Path) -> None:
    assert not _fires(tmp_path, {_gpu("prod-code", "i-2"): "50x60"}, _price() - 0.01, minute=20)


def test_so_many_endpoints_that_cloudwatch_takes_no_query_have_none() -> None:
    assert fleet_cost_query(_endpoints("chat"))
    assert not fleet_cost_query(_endpoints(*(f"endpoint-with-a-long-name-{number:03}" for number in range(300))))


@pytest.mark.parametrize("count", [1, 20])
def test_the_query_is_within_cloudwatchs_limit(count: int) -> None:
    query = fleet_cost_query(_endpoints(*(f"endpoint-{number:03}" for number in range(count))))
    assert 0 < len(query) <= 10_000
