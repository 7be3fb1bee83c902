"""The figures of a gate in the form that the planner reads: for the model alone, and for the model with its draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.gate_rows import SCHEMA

if TYPE_CHECKING:
    from cdk_sglang.optimization.report import Figure, Report
    from cdk_sglang.planning.fleet_request import ComponentRequest


def gate_content(report: Report, request: ComponentRequest, *, sglang_version: str) -> dict[str, Any]:
    """Return the figures of a gate for the planner: its configuration, and a row for each side and concurrency.

    Args:
        report: The report of the run.
        request: The planner's request for the component.
        sglang_version: SGLang's release in the image.

    Raises:
        ConfigurationError: The instance type of the measurement is unknown.
    """
    workload = report.workload
    instance = GpuInstance.named(str(workload.get("instance")))
    rows = [
        {
            "side": side,
            "concurrency": level.concurrency,
            "ttft_ms": _mean(one.ttft_ms),
            "tpot_ms": _mean(one.tpot_ms),
            "accept_length": _mean(one.accept_length) if side == "draft" else None,
        }
        for level in report.levels
        for side, one in (("base", level.base), ("draft", level.draft))
    ]
    return {
        "schema": SCHEMA,
        "gate": report.run,
        "model": request.facts.id,
        "gpu": instance.gpu.name,
        "gpus": int(workload.get("gpus") or 1),
        "dp": request.attention_dp,
        "ep": int(workload.get("gpus") or 1) if request.expert_parallel else 1,
        "kv_dtype": request.kv_dtype or "",
        "mem_fraction": request.mem_fraction,
        "sglang_version": sglang_version,
        "input_tokens": workload.get("input_tokens"),
        "output_tokens": workload.get("output_tokens"),
        "speculation": {
            "kind": report.kind,
            "steps": report.draft.get("steps"),
            "draft_tokens": report.draft.get("draft_tokens"),
        },
        "rows": rows,
    }


def _mean(figure: Figure | None) -> float | None:
    return None if figure is None else figure.mean
