"""Converts measurements of the history to rows that calibrate the planner."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from cdk_sglang.benchmarking.copies import copies_of
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.planning.measured import Measured
from cdk_sglang.planning.rows import read_question

_OPTION = "SM_SGLANG_"
_SPECULATION = f"{_OPTION}SPECULATIVE_ALGORITHM"


def measured_rows(
    measurements: Sequence[Measurement], *, facts: Callable[[str], ModelFacts]
) -> tuple[list[Measured], list[str]]:
    """Return the rows of a history that the planner can learn from, and the number of other rows by reason.

    A row is one load of one configuration: partial repeats, rates, pools, unknown models and failed requests are left out.

    Args:
        measurements: The history.
        facts: Returns a model's facts; raises ConfigurationError for an unknown one.
    """
    found: list[Measured] = []
    reasons: dict[str, int] = {}
    for one in measurements:
        reason = _unfit(one)
        if reason is None:
            try:
                found.append(_measured(one, facts(one.deployed.model)))
            except ConfigurationError as error:
                reason = error.problems[0].text
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + 1
    return found, [f"{count} rows are not learned from: {reason}" for reason, count in reasons.items()]


def _unfit(one: Measurement) -> str | None:
    if one.is_partial or one.figures.failed or not one.figures.requests:
        return "partial, or with failed requests"
    if one.request_rate is not None or one.concurrency is None:
        return "a rate, whose requests in flight are unknown"
    copies = copies_of(one)
    if copies is None or copies[0] != copies[1] or "+" in one.deployed.instance:
        return "several instance types, or a number of copies that changed or is unknown"
    if one.figures.input_tokens is None or one.figures.output_tokens is None:
        return "without lengths"
    if _SPECULATION in json.loads(one.deployed.options):
        return "with speculative decoding, whose accept length a benchmark does not keep; `cdk-sglang eagle report --calibration` does"
    has_images = "images" in json.loads(one.workload_content)
    return "with images, whose encoder takes a share of the time that a row does not say" if has_images else None


def _measured(one: Measurement, facts: ModelFacts) -> Measured:
    deployed, figures = one.deployed, one.figures
    options = {name.removeprefix(_OPTION): value for name, value in json.loads(deployed.options).items()}
    copies = copies_of(one)
    assert one.concurrency is not None
    assert copies is not None
    cells = {
        "row_id": one.run,
        "model": facts.id,
        "kv_dtype": options.get("KV_CACHE_DTYPE", ""),
        "gpu": GpuInstance.named(deployed.instance).gpu.name,
        "n_gpus": str(deployed.gpus),
        "tp": options.get("TP_SIZE", ""),
        "ep": options.get("EP_SIZE", ""),
        "dp": options.get("DP_SIZE", ""),
        "pp": options.get("PP_SIZE", ""),
        "engine": "sglang",
        "engine_version": deployed.sglang_version,
        "isl": f"{figures.input_tokens:.1f}",
        "osl": f"{figures.output_tokens:.1f}",
        "concurrency": f"{max(1.0, one.concurrency / copies[0]):g}",
        "mem_fraction": options.get("MEM_FRACTION_STATIC", ""),
        "context_len": options.get("CONTEXT_LENGTH", ""),
    }
    return Measured(
        question=read_question(cells, models=(facts,)),
        ttft_ms=None if figures.ttft_ms is None else figures.ttft_ms.mean,
        tpot_ms=None if figures.tpot_ms is None else figures.tpot_ms.mean,
    )
