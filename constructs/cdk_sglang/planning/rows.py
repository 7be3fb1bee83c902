"""Reads one row of a prediction table: text cells in, a checked question or the problems found out.

An empty cell means unknown; the assumption made then is stated here and, if it matters, in the row's note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import Gpu
from cdk_sglang.models.facts import doubts
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.models.quantization import method_of
from cdk_sglang.planning.cells import Cells
from cdk_sglang.planning.drafts import DEFAULT_ACCEPT_LENGTH, DraftKind, Speculation
from cdk_sglang.planning.parallel import KV_BYTES, Parallelism
from cdk_sglang.planning.pools import cache_format
from cdk_sglang.planning.static_fraction import EngineOptions
from cdk_sglang.spec.load import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cdk_sglang.models.facts import ModelFacts

INPUT_COLUMNS = (
    "row_id", "model", "weights_dtype", "kv_dtype", "gpu", "n_gpus", "tp", "ep", "dp", "pp", "engine", "engine_version",
    "isl", "osl", "concurrency", "mem_fraction", "context_len", "spec_decode", "accept_len",
    "arrivals", "num_steps", "num_draft_tokens", "chunked_prefill_size", "cuda_graph_max_bs", "max_running_requests",
)  # fmt: skip
DEFAULT_INPUT_TOKENS, DEFAULT_OUTPUT_TOKENS = 1024.0, 1024.0
"""Default lengths: the most common ones in public serving benchmarks."""

_GPU_NAMES = {
    "h100": "H100-SXM-80GB", "h200": "H200-SXM-141GB", "b200": "B200-SXM-180GB", "b300": "B300-SXM-288GB",
    "l4": "L4-24GB", "l40s": "L40S-48GB", "a10g": "A10G-24GB", "a100": "A100-SXM-80GB",
    "a100-sxm4-40gb": "A100-SXM-40GB", "a100-sxm4-80gb": "A100-SXM-80GB",
    "rtx pro 6000 blackwell server edition": "RTX-PRO-6000-BW-SE-96GB",
}  # fmt: skip
_UNKNOWN_DTYPES = ("", "not recorded", "not stated", "checkpoint default", "auto", "default")
_NO_SPECULATION = frozenset({"", "none", "no", "false", "none recorded", "none stated"})
_KV_NAMES = {"": "", "auto": "", "bf16": "bf16", "bfloat16": "bf16", "fp16": "bf16", "float16": "bf16", "fp8": "fp8",
             "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "nvfp4": "fp4", "fp4": "fp4"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Question:
    """One configuration under one load.

    Args:
        row_id: The row's name, returned with the answer.
        facts: The model, in the requested weight format.
        gpu: Type of each GPU.
        split: How one copy is spread over GPUs.
        engine: `sglang`, `vllm` or `trtllm`.
        engine_version: Version text; empty if unknown.
        kv_dtype: Format of the cache: `bf16`, `fp8` or `fp4`.
        input_tokens: Mean prompt length.
        output_tokens: Mean answer length.
        concurrency: Requests kept in flight; None for as many as the cache holds.
        mem_fraction: SGLang's static fraction or vLLM's utilization; None for the engine's default.
        context_len: Tokens of the longest request that must fit; None for prompt plus answer.
        accept_len: Tokens accepted per verification step; None without speculative decoding.
        notes: Assumptions.
        kv_given: Whether `kv_dtype` was specified; otherwise it is the engine's default.
        instance_gpus: GPUs of an instance that the user describes; 0 for one that this version knows.
        options: SGLang's release and the options that determine its default fraction.
        arrivals: Arrival pattern of requests (`spec.load.ARRIVALS`); empty if unknown.
        speculation: How it drafts; its weights and cache are counted, and times depend on it if `accept_len` is given.
        encoder_tflop: Operations of the image encoder per request, 10^12.
    """

    row_id: str
    facts: ModelFacts
    gpu: Gpu
    split: Parallelism
    engine: str
    engine_version: str
    kv_dtype: str
    input_tokens: float
    output_tokens: float
    concurrency: float | None
    mem_fraction: float | None
    context_len: float | None
    accept_len: float | None
    notes: tuple[str, ...] = ()
    kv_given: bool = True
    instance_gpus: int = 0
    options: EngineOptions = field(default_factory=EngineOptions)
    speculation: Speculation | None = None
    arrivals: str = ""
    encoder_tflop: float = 0.0


def read_question(row: Mapping[str, str | None], *, models: Iterable[Path | ModelFacts] = ()) -> Question:
    """Return the question of one row.

    Raises:
        ConfigurationError: Cells are invalid, or the model or GPU is unknown; every such cell is named.
    """
    cells = Cells(row)
    notes: list[str] = []
    facts = _model(cells, notes, models)
    gpu = _gpu(cells)
    engine = _engine(cells, notes)
    isl = cells.number("isl", at_least=1) or DEFAULT_INPUT_TOKENS
    osl = cells.number("osl", at_least=1) or DEFAULT_OUTPUT_TOKENS
    notes += [f"{name} assumed {default:g}" for name, default in (("isl", isl), ("osl", osl)) if not cells.text(name)]
    concurrency = (
        None if cells.text("concurrency").lower().startswith("max") else cells.number("concurrency", at_least=1)
    )
    split, per_group = _split(cells)
    accept = cells.number("accept_len", at_least=1, at_most=64)
    speculates = cells.text("spec_decode").lower() not in _NO_SPECULATION
    if speculates and accept is None:
        accept = DEFAULT_ACCEPT_LENGTH
        notes.append(f"accept_len assumed {accept:g}")
    fraction = cells.number("mem_fraction", at_least=0.01, at_most=0.999)
    context = cells.number("context_len", at_least=1)
    kv_dtype = _kv_dtype(cells, facts, gpu, engine)
    arrivals = _arrivals(cells, notes, lengths=(isl, osl))
    steps, verified = cells.whole("num_steps", at_most=64), cells.whole("num_draft_tokens", at_most=1024)
    if not speculates and (steps or verified):
        cells.problems.append(
            Problem("spec_decode", "num_steps and num_draft_tokens need it; say how it drafts, such as eagle")
        )
    options = EngineOptions(
        version=cells.text("engine_version") or None,
        chunked_prefill_size=cells.whole("chunked_prefill_size", at_least=-1),
        cuda_graph_max_bs=cells.whole("cuda_graph_max_bs"),
        max_running_requests=cells.whole("max_running_requests"),
    )
    if cells.problems:
        raise ConfigurationError(cells.problems)
    assert facts is not None
    assert gpu is not None
    return Question(
        row_id=cells.text("row_id"),
        facts=facts,
        gpu=gpu,
        split=split,
        engine=engine,
        engine_version=cells.text("engine_version"),
        kv_dtype=kv_dtype,
        input_tokens=isl,
        output_tokens=osl,
        concurrency=concurrency * per_group if concurrency else None,
        mem_fraction=fraction,
        context_len=context,
        accept_len=accept if speculates else None,
        notes=tuple(notes),
        kv_given=bool(_KV_NAMES[cells.text("kv_dtype").lower()]),
        options=options,
        speculation=_speculation(cells, facts, accept, steps, verified) if speculates else None,
        arrivals=arrivals,
    )


def _arrivals(cells: Cells, notes: list[str], *, lengths: tuple[float, float]) -> str:
    """Return the arrival pattern; a fractional mean length implies requests of different lengths, which do not stay in step."""
    text = cells.text("arrivals").lower()
    if text and text not in ARRIVALS:
        cells.problems.append(
            Problem(
                "arrivals", f"unknown {text[:40]!r}; use {' or '.join(ARRIVALS)}, or leave it empty when it is unknown"
            )
        )
    if not text and any(length != int(length) for length in lengths):
        notes.append("arrivals assumed independent: a mean length that is no whole number comes from a mix of lengths")
        return "independent"
    return text


def _speculation(
    cells: Cells, facts: ModelFacts, accept: float | None, steps: int | None, verified: int | None
) -> Speculation:
    """Return how a row drafts: from the text if specified, otherwise with the model's own layers if it has any, otherwise with a head.

    An unspecified accept length stays open within the range of the kind.
    """
    text = cells.text("spec_decode").lower()
    own = facts.architecture.mtp_layers > 0 and "eagle3" not in text and "eagle-3" not in text
    kind = DraftKind.LOOKUP if "ngram" in text else DraftKind.OWN_LAYERS if own else DraftKind.HEAD
    accept_length = accept if cells.text("accept_len") else None
    if steps is not None and verified is None and kind is not DraftKind.LOOKUP:
        verified = steps + 1  # a chain: the drafted tokens and the one that precedes them
    return Speculation(kind=kind, accept_length=accept_length, steps=steps, draft_tokens=verified)


def _model(cells: Cells, notes: list[str], models: Iterable[Path | ModelFacts]) -> ModelFacts | None:
    name = cells.text("model")
    if not name:
        cells.problems.append(Problem("model", "missing; give a catalogue id (cdk-sglang models list)"))
        return None
    try:
        facts = catalogue(name, also=models)
    except ConfigurationError as error:
        cells.problems += [Problem("model", problem) for problem in error.problems]
        return None
    notes += doubts(facts)
    dtype = cells.text("weights_dtype").lower()
    if dtype.startswith(_UNKNOWN_DTYPES[1:]) or not dtype:
        return facts
    if method_of(dtype.split("/")[0]) is None:
        cells.problems.append(
            Problem("weights_dtype", f"unknown format {dtype[:40]!r}; use bf16, fp8, nvfp4, mxfp4, awq, gptq or int8")
        )
        return None
    changed = facts.with_weights(dtype)
    if changed is not facts and facts.architecture.quantization.method != "bf16":
        notes.append(f"checkpoint is {facts.architecture.quantization.method}, planned as {dtype}")
    return changed


def _gpu(cells: Cells) -> Gpu | None:
    name = cells.text("gpu")
    if not name:
        cells.problems.append(Problem("gpu", "missing; give a GPU's name such as H100-SXM-80GB"))
        return None
    try:
        return Gpu.of(_GPU_NAMES.get(name.lower(), name))
    except ConfigurationError as error:
        cells.problems += error.problems
        return None


def _engine(cells: Cells, notes: list[str]) -> str:
    name = cells.text("engine").lower()
    if not name:
        notes.append("engine assumed sglang")
        return "sglang"
    for known in ("sglang", "vllm", "trtllm"):
        if name.startswith(known):
            return known
    if name.startswith("tensorrt"):
        return "trtllm"
    cells.problems.append(Problem("engine", f"unknown engine {name[:40]!r}; use sglang, vllm or trtllm"))
    return "sglang"


def _split(cells: Cells) -> tuple[Parallelism, float]:
    """Return the parallelism, and the number of groups that the concurrency is counted for.

    `dp` means DP attention inside the `tp` GPUs (SGLang's meaning), and the concurrency is that of all GPUs. Public tables that state
    `n_gpus = tp x dp` give the concurrency of one group. Without `tp`, the number of GPUs is that of `ep` or `n_gpus`.
    """
    sizes = {
        name: cells.number(name, at_least=0, at_most=4096, whole=True) for name in ("n_gpus", "tp", "ep", "dp", "pp")
    }
    for name in ("n_gpus", "tp", "pp"):
        if sizes[name] == 0:
            cells.problems.append(Problem(name, "0 is out of range; a whole number from 1 to 4096 is needed"))
    numbers = {name: int(value or 1) for name, value in sizes.items()}
    tp, ep, dp, pp = numbers["tp"], numbers["ep"], numbers["dp"], numbers["pp"]
    gpus = int(sizes["n_gpus"] or tp * pp)
    groups = ep if 1 < ep < tp else None
    if dp > 1:
        group = tp if tp > 1 else (ep if ep > 1 else gpus)
        return Parallelism(gpus=group, attention_dp=min(dp, group), expert_parallel=ep > 1, expert_groups=groups), (
            float(dp) if gpus >= tp * dp else 1.0
        )
    if tp > 1:
        gpus = tp * pp
    return Parallelism(
        gpus=gpus, expert_parallel=ep > 1, expert_groups=groups, pipeline=pp if gpus % pp == 0 else 1
    ), 1.0


def _kv_dtype(cells: Cells, facts: ModelFacts | None, gpu: Gpu | None, engine: str) -> str:
    name = cells.text("kv_dtype").lower()
    if name not in _KV_NAMES:
        cells.problems.append(Problem("kv_dtype", f"unknown format {name[:40]!r}; use bf16, fp8 or fp4"))
        return "bf16"
    if _KV_NAMES[name]:
        return _KV_NAMES[name]
    assert set(_KV_NAMES.values()) - {""} <= set(KV_BYTES)
    if facts is not None and gpu is not None and engine == "sglang":
        return cache_format(facts.architecture, gpu, None)
    quantization = facts.architecture.quantization if facts else None
    if quantization and quantization.kv_cache == "fp8":
        return "fp8"  # engines follow a checkpoint that states its cache's format
    if quantization and engine == "trtllm" and quantization.method != "bf16":
        return "fp8"  # TensorRT-LLM's published serving recipes combine quantized weights with an fp8 cache
    return "bf16"
