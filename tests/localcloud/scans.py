"""A scan on the embedded AWS: CloudFormation whose stacks are created while time passes, two candidates, and a program in place of AIPerf."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cdk_sglang import GpuInstance
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.benchmarking.scan import scan_plan
from cdk_sglang.benchmarking.scan_run import Candidate, Scan, ScanSetup, run_scan
from cdk_sglang.benchmarking.scan_stacks import ScanStacks
from cdk_sglang.cli.bench.scan_measure import Options, candidates
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning import ComponentRequest
from tests.localcloud.helpers import SESSION
from tests.support.measurements import measurement

RECORDS = Path(__file__).parents[1] / "benchmarking" / "data" / "good" / "profile_export.jsonl"
TYPES = ("ml.g6e.2xlarge", "ml.p5.4xlarge")
QWEN = ComponentRequest(
    name="qwen", facts=catalogue("Qwen/Qwen3-8B"), context_length=1280, input_tokens=1024, output_tokens=256
)
SCAN = "20261201t120000-ab12"
AIPERF = f"""#!{sys.executable}
# Leaves the records of a real run of AIPerf; in a second repeat it leaves them when it is interrupted, as AIPerf does.
import json, pathlib, shutil, signal, sys
if sys.argv[1] == "--version":
    sys.exit(print("aiperf 0.13.0"))
folder = pathlib.Path(json.loads(pathlib.Path(sys.argv[3]).read_text())["benchmark"]["artifacts"]["dir"])
def end(*_):
    shutil.copy({str(RECORDS)!r}, folder)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
if "-repeat-1" in str(folder):
    (folder / "sending").touch()
    signal.pause()
end()
"""


class World:
    """CloudFormation whose stacks are created while time passes, and a clock that only waiting moves."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.cloudformation = SESSION.client("cloudformation")
        self.lines: list[str] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def create_stack(self, **request: Any) -> None:
        self.clock.background(lambda: self.cloudformation.create_stack(**request), name="create")

    def delete_stack(self, **request: Any) -> None:
        self.clock.background(lambda: self.cloudformation.delete_stack(**request), name="delete")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cloudformation, name)

    def sleep(self, seconds: float) -> None:
        self.on_sleep()
        self.clock.advance(seconds)

    @property
    def stacks(self) -> ScanStacks:
        return ScanStacks(
            cloudformation=self, now=self.clock.utc, elapsed=self.clock.now, sleep=self.sleep, say=self.lines.append
        )

    def names(self) -> list[str]:
        return [one.name for one in self.stacks.left()]

    def endpoints(self) -> list[str]:
        found = SESSION.client("sagemaker").list_endpoints()["Endpoints"]
        return [one["EndpointName"] for one in found]

    def scan(self, **changes: Any) -> Scan:
        def measure(candidate: Candidate, _: float) -> tuple[Sequence[Measurement], str]:
            sagemaker = SESSION.client("sagemaker")
            name = candidate.endpoint.component_name
            assert sagemaker.describe_inference_component(InferenceComponentName=name)["InferenceComponentStatus"] == (
                "InService"
            )
            assert self.endpoints() == [candidate.endpoint.endpoint_name]  # one after the other
            return [measurement(instance=candidate.planned.instance)], ""

        values: dict[str, Any] = {"budget_usd": 10.0, "start_minutes": 45.0, "slo": None, "measure": measure, **changes}
        return run_scan(SCAN, chosen(), ScanSetup(stacks=self.stacks, load=(1024, 256), **values))


@functools.cache
def chosen() -> tuple[Candidate, ...]:
    instances = [GpuInstance.named(name) for name in TYPES]
    options = Options(
        component=QWEN, slo=None, region="us-east-1", prices=None, weights="s3://models/qwen/", api="openai", aiperf=None,
        tokenizer="builtin", repeats=1, wait_seconds=1, folder=Path("runs"), history="history",
    )  # fmt: skip
    planned = sorted(scan_plan(QWEN, instances, None, region="us-east-1"), key=lambda one: one.instance)
    return tuple(candidates(SCAN, instances, planned, options))
