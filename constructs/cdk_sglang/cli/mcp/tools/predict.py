"""`predict`: the planner on rows of configurations, as `cdk-sglang predict` on a table."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from cdk_sglang.cli.mcp.tool import Band, Text, Tool
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.spec.load import Arrivals
from cdk_sglang.validation import Spec

_ROWS_MAX: Final = 50


class Configuration(Spec):
    """One configuration under one load; missing values are assumed, and the note of its prediction says so."""

    model: Text
    """Id of the model, such as Qwen/Qwen3-8B."""

    gpu: Text
    """GPU, such as L40S-48GB or H100-SXM-80GB."""

    weights_dtype: Text | None = None
    """Format of the weights: bf16, fp8, nvfp4, mxfp4, awq, gptq or int8; the model's own by default."""

    kv_dtype: Text | None = None
    """Format of the KV cache: bf16, fp8 or fp4; the engine's choice by default."""

    n_gpus: int | None = None
    """GPUs of a copy."""

    tp: int | None = None
    """Tensor-parallel size."""

    ep: int | None = None
    """Expert-parallel size."""

    dp: int | None = None
    """Size of DP attention within the GPUs of tp."""

    pp: int | None = None
    """Pipeline stages."""

    engine: Literal["sglang", "vllm", "trtllm"] | None = None
    """Engine; SGLang by default."""

    engine_version: Text | None = None
    """Its release."""

    isl: float | None = None
    """Mean tokens of a prompt."""

    osl: float | None = None
    """Mean tokens of an answer."""

    concurrency: float | None = None
    """Requests in flight; as many as the cache holds by default."""

    mem_fraction: float | None = None
    """SGLang's mem_fraction_static, or vLLM's gpu_memory_utilization."""

    context_len: float | None = None
    """Tokens of the longest request."""

    spec_decode: Text | None = None
    """Method of drafting, such as eagle3; none by default."""

    accept_len: float | None = None
    """Tokens accepted per verification step."""

    arrivals: Arrivals | None = None
    """How requests arrive: each at its own time, or all at once and of equal length."""

    num_steps: int | None = None
    """Drafting steps."""

    num_draft_tokens: int | None = None
    """Tokens that one step verifies."""

    chunked_prefill_size: int | None = None
    """SGLang's chunked_prefill_size."""

    cuda_graph_max_bs: int | None = None
    """SGLang's cuda_graph_max_bs."""

    max_running_requests: int | None = None
    """SGLang's max_running_requests."""


class Configurations(Spec):
    """Configurations to predict."""

    rows: Annotated[list[Configuration], Field(min_length=1, max_length=_ROWS_MAX)]
    """Up to 50 configurations."""


class Prediction(Spec):
    """The prediction for one configuration; null where there is none."""

    fits: bool | None
    """Whether the model and one request fit."""

    weights_gib_per_gpu: float | None
    """GiB of weights on the fullest GPU."""

    kv_tokens: int | None
    """Tokens that the KV cache holds."""

    ttft_ms: Band | None
    """Mean milliseconds to the first token."""

    tpot_ms: Band | None
    """Mean milliseconds per further token."""

    output_tokens_per_second_per_gpu: float | None
    """Output tokens per second and GPU."""

    usd_per_million_input_tokens: float | None
    """US dollars on the cheapest instance with these GPUs."""

    usd_per_million_output_tokens: float | None
    """The same for output tokens."""

    note: str
    """What was assumed, or why there is no prediction."""


class Predictions(Spec):
    """Predictions, in the order of the configurations."""

    rows: list[Prediction]
    """One for each configuration."""


def _predict(query: Configurations, workspace: Workspace) -> Predictions:
    from cdk_sglang.cli.own import own_models, own_prices
    from cdk_sglang.cli.predict import predicted_rows

    folder = workspace.environments()
    rows = [
        {name: f"{value}" for name, value in row.model_dump(exclude_none=True).items()} | {"row_id": str(number)}
        for number, row in enumerate(query.rows)
    ]
    predicted = predicted_rows(rows, models=own_models(folder=folder), prices=own_prices(folder=folder))
    return Predictions(rows=[_prediction(cells) for cells in predicted])


def _prediction(cells: dict[str, str]) -> Prediction:
    def number(name: str) -> float | None:
        return float(cells[name]) if cells.get(name) else None

    def times(name: str) -> Band | None:
        value, low, high = (number(f"{name}{end}_ms") for end in ("", "_low", "_high"))
        return None if value is None or low is None or high is None else Band(value=value, low=low, high=high)

    return Prediction(
        fits=cells["fits"] == "yes" if cells.get("fits") else None,
        weights_gib_per_gpu=number("weights_gib_per_gpu"),
        kv_tokens=int(cells["kv_tokens"]) if cells.get("kv_tokens") else None,
        ttft_ms=times("ttft"),
        tpot_ms=times("tpot"),
        output_tokens_per_second_per_gpu=number("output_tok_s_per_gpu"),
        usd_per_million_input_tokens=number("usd_per_million_input_tokens"),
        usd_per_million_output_tokens=number("usd_per_million_output_tokens"),
        note=cells.get("note", "")[:1_000],
    )


PREDICT: Final = Tool(
    name="predict",
    title="Predict configurations",
    description=(
        "Memory, time to first and per further token (with bands), throughput and price of up to 50 configurations of model, GPU, engine and "
        "load. Use it for sweeps, other engines, or options that plan_model does not take."
    ),
    takes=Configurations,
    gives=Predictions,
    answer=_predict,
)
