"""What public reports and the engine's own rules say of 72 deployments, against the verdicts of `plan` and `predict`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, EngineOptions, FleetRequest, plan_fleet
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.rows import read_question

with (Path(__file__).parent / "public_cases.csv").open(newline="", encoding="utf-8") as file:
    CASES = list(csv.DictReader(file))


def name_of(case: dict[str, str]) -> str:
    """Return what a test of the case is called."""
    options = (case[name] for name in ("ep_size", "context_length", "engine_version", "mem_fraction"))
    return " ".join([case["model"], case["instance"], case["tp_size"], *filter(None, options)])


def whole(text: str) -> int | None:
    """Return a cell's number; None when it is empty."""
    return int(text) if text else None


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_plan_says_whether_it_fits_as_the_report_does(case: dict[str, str]) -> None:
    component = ComponentRequest(
        name="c",
        facts=catalogue(case["model"]),
        tp_size=int(case["tp_size"]),
        expert_parallel=bool(case["ep_size"]),
        ep_size=whole(case["ep_size"]),
        context_length=int(case["context_length"]),
        mem_fraction=float(case["mem_fraction"]) if case["mem_fraction"] else None,
        kv_dtype=case["kv_dtype"] or None,
        engine=EngineOptions(
            version=case["engine_version"] or None,
            chunked_prefill_size=whole(case["chunked_prefill_size"]),
            cuda_graph_max_bs=whole(case["cuda_graph_max_bs"]),
        ),
    )
    endpoint = EndpointRequest(name="e", instances=(GpuInstance.named(case["instance"]),), components=(component,))
    problems = plan_fleet(FleetRequest(environment="x", region="us-east-1", endpoints=(endpoint,))).problems
    assert (not problems) is (case["fits"] == "yes"), problems


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_predict_says_whether_it_fits_as_the_report_does(case: dict[str, str]) -> None:
    row = {
        **case,
        "gpu": GpuInstance.named(case["instance"]).gpu.name,
        "tp": case["tp_size"],
        "ep": case["ep_size"],
        "context_len": case["context_length"],
        "engine": "sglang",
        "isl": "1024",
        "osl": "256",
        "concurrency": "1",
    }
    (prediction,) = answer([read_question(row)])
    assert prediction.fits is (case["fits"] == "yes"), prediction.problems
