"""Host memory and NVMe in the plan."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from cdk_sglang.cli.plan_tables import print_plan
from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetPlan, FleetRequest, plan_fleet
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.fleet_plan import DiskUse
from cdk_sglang.planning.fleet_request import HostMemory
from cdk_sglang.planning.page import plan_html

LLAMA = ComponentRequest(
    name="llama",
    facts=catalogue("meta-llama/Llama-3.1-8B-Instruct"),
    tp_size=1,
    context_length=8192,
    max_copies=3,
    host=HostMemory(reserved_gib=48, loading_gib=15, cache_gib=20, adapters_gib=6),
    file_cache_gb=400,
)


def request(instance: GpuInstance = GpuInstance.G6E_12XLARGE, **changes: Any) -> FleetRequest:
    component = dataclasses.replace(LLAMA, **changes)
    endpoint = EndpointRequest(name="chat", instances=(instance,), components=(component,))
    return FleetRequest(environment="test", region="us-east-1", endpoints=(endpoint,))


def only(plan: FleetPlan) -> Any:
    (component,) = plan.endpoints[0].components
    return component


def test_loading_is_over_before_the_tier_is_made() -> None:
    assert HostMemory(reserved_gib=48, loading_gib=15, cache_gib=20, adapters_gib=6).needed_gib == 26
    assert HostMemory(reserved_gib=48, loading_gib=30, cache_gib=20, adapters_gib=6).needed_gib == 30


def test_the_plan_shows_host_memory_and_an_instance_full_of_copies() -> None:
    fleet = request()
    plan = plan_fleet(fleet)
    component = only(plan)
    assert component.host == LLAMA.host
    assert component.disk == DiskUse(weights_gb=pytest.approx(16.06, abs=0.01), cache_gb=400, copies=3, nvme_gb=3800)
    assert component.disk.needed_gb == pytest.approx(1216.06, abs=0.01)
    written = json.loads(plan_json(plan))["endpoints"][0]["components"][0]
    assert (written["host"]["adapters_gib"], written["disk"]["cache_gb"]) == (6, 400)
    page = re.sub(r" data-label=\"[^\"]*\"", "", re.sub(r">\s+<", "><", plan_html(plan, fleet)))
    assert "<td>48.0</td><td>20.0</td><td>6.0</td><td>15.0</td><td>16</td><td>3 x 400</td><td>3,800</td>" in page


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            (
                "a copy of chat/llama: 48.0 GiB of host memory, 20.0 for cache, 6.0 for adapters, 15.0 for buffers while loading; "
                "of the instance's 3,800 GB of NVMe 16 for weights, 3 x 400 for cache files\n"
            ),
        ),
        (
            {"host": HostMemory(reserved_gib=48), "file_cache_gb": None},
            "a copy of chat/llama: 48.0 GiB of host memory; of the instance's 3,800 GB of NVMe 16 for weights, cache files without a limit\n",
        ),
        (
            {"host": HostMemory(reserved_gib=48), "file_cache_gb": 0},
            "a copy of chat/llama: 48.0 GiB of host memory; of the instance's 3,800 GB of NVMe 16 for weights\n",
        ),
    ],
)
def test_the_command_says_what_a_copy_takes_of_its_instance(
    changes: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_plan(plan_fleet(request(**changes)))
    assert line in capsys.readouterr().out


def test_where_nobody_said_and_without_nvme_the_page_says_so() -> None:
    plain = GpuInstance.of("ml.g9.12xlarge", gpu=Gpu.of("L40S-48GB"), gpu_count=4, vcpus=48, memory_gib=384)
    fleet = request(plain)
    plan = plan_fleet(fleet)
    assert only(plan).disk is None
    page = re.sub(r' (class|data-label)="[^"]*"', "", plan_html(plan, fleet))
    assert "<td>unknown</td><td>unknown</td><td>none</td>" in page
    unsaid = request(host=None)
    assert only(plan_fleet(unsaid)).host is None


def test_a_tier_that_is_a_multiple_of_the_gpus_cache_is_counted_and_warned_of() -> None:
    host = HostMemory(reserved_gib=48, adapters_gib=6, cache_ratio=2)
    plan = plan_fleet(request(host=host))
    component = only(plan)
    tier = 2 * component.memory.cache_gib
    assert component.host.cache_gib == pytest.approx(tier)
    (warning,) = (line for line in plan.warnings if "hicache.ratio" in line)
    assert warning == (
        f"endpoints.chat.components.llama.server.hicache.ratio: 2 times the cache of the GPUs is {tier:.1f} GiB of host memory beside 6.0 GiB "
        "of adapters, and the copy reserves 48.0 GiB; leave the ratio out, or raise resources.memory_mib"
    )
    roomy = dataclasses.replace(host, reserved_gib=tier + 6)
    assert not any("hicache.ratio" in line for line in plan_fleet(request(host=roomy)).warnings)
