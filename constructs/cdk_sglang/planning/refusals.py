"""Reasons why SGLang would refuse a model on given GPUs: how its layers are sharded, and what its weights' format requires.

Read in SGLang 0.5.23 (2026-11-30): `Fp8LinearMethod.validate_block_quant_shapes` and `Fp8MoEMethod.create_weights` of
`layers/quantization/fp8.py` for block widths (the same in 0.5.17), `QKVParallelLinear` of `layers/linear.py` for heads. Reported in:
sglang issues 5858 and 26107, Qwen3 issue 1485, vllm issues 17569 and 25292.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.planning.formats import format_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.static_fraction import EngineOptions

_SIZES: Final = (64, 32, 16, 8, 4, 2, 1)
_UNCHECKED_HEADS: Final = ("mimo_v2", "deepseek_v4")
"""Models whose query, key and value projections skip the check (`skip_block_quant_check` of models/mimo_v2.py), or whose keys and values
are replicated on every GPU (models/deepseek_v4.py)."""

SIZES_MAX: Final = 16
"""Largest tensor-parallel size to propose if the number of GPUs is unknown."""
_PROPOSED: Final = (1, 2, 4, 8, 16)


def split_problems(
    model: ModelArchitecture,
    gpu: Gpu,
    split: Parallelism,
    options: EngineOptions | None = None,
    *,
    gpus: int = SIZES_MAX,
) -> list[str]:
    """Return the reasons why the engine would refuse this model on these GPUs; each line names an alternative.

    Args:
        model: The model.
        gpu: GPU of the instance.
        split: How a copy is spread over GPUs.
        options: SGLang's options; its defaults if None.
        gpus: GPUs of the instance, the maximum of proposed sizes.
    """
    problems = []
    tp, attention_tp = split.tensor, split.attention_tp
    kv_heads = model.kv_heads if model.mla is None else attention_tp
    divides_kv = kv_heads % attention_tp == 0 or attention_tp % kv_heads == 0
    if model.heads % attention_tp:
        sizes = [n for n in _PROPOSED if n <= gpus and model.heads % n == 0]
        fits = [n for n in sizes if model.mla is not None or model.kv_heads % n == 0 or n % model.kv_heads == 0]
        problems.append(
            f"tp {tp} does not divide {model.heads} attention heads; use one of {', '.join(map(str, fits))}"
        )
    elif not divides_kv:
        problems.append(
            f"tp {tp} and {kv_heads} key/value heads do not divide each other; use {largest_divisor(kv_heads, tp)}"
        )
    block = model.quantization.block
    if model.quantization.method == "fp8" and block and not problems:
        whole_shared = options is not None and options.deepep
        problems += [
            one.problem(block) for one in _widths(model, split, whole_shared=whole_shared) if one.is_cut(block)
        ]
    return problems + format_problems(model, gpu)


@dataclass(frozen=True, kw_only=True)
class _Width:
    """A dimension of quantized weights, and the number of GPUs that share it.

    Args:
        name: Name of the dimension, for messages.
        width: Number of values over all GPUs.
        shares: Number of GPUs that each hold a slice.
        heads: Number of heads that it consists of, which are never split: with more GPUs than heads, each GPU keeps one; 0 if it can be split anywhere.
        advice: Further advice, for messages.
    """

    name: str
    width: int
    shares: int
    heads: int = 0
    advice: str = ""

    def slice_on(self, shares: int) -> float:
        """Return the width of one GPU's slice."""
        return self.width / min(shares, self.heads or shares)

    def is_cut(self, block: int, shares: int | None = None) -> bool:
        """Return whether slice boundaries lie inside a block."""
        return self.slice_on(shares or self.shares) % block != 0

    def problem(self, block: int) -> str:
        """Return the reason for the refusal in words."""
        fit = next((n for n in _SIZES if n < self.shares and not self.is_cut(block, n)), None)
        advice = f"use tp {fit}" if fit else "use weights without block quantization"
        return (
            f"{self.name} {self.width} / tp {self.shares} = {self.slice_on(self.shares):g} is not a multiple of the fp8 weight block {block}; "
            f"{advice}{self.advice}"
        )


def _widths(model: ModelArchitecture, split: Parallelism, *, whole_shared: bool) -> Iterator[_Width]:
    """Yield the widths that SGLang checks against the blocks of fp8 weights.

    Linear attention is left out: its projections are merged without the check (sglang issue 19045, since fixed).
    """
    tp, moe = split.tensor, model.moe
    if moe is not None:
        shares = split.expert_tp
        advice = f", or expert parallelism (ep_size {tp})" if shares > 1 else ""
        yield _Width(name="expert width", width=moe.intermediate_size, shares=shares, advice=advice)
        if moe.shared_intermediate_size and not whole_shared:
            yield _Width(name="shared expert width", width=moe.shared_intermediate_size, shares=tp)
    if model.dense_layers:
        yield _Width(name="MLP width", width=model.intermediate_size, shares=tp)
    if not model.quantization.experts_only and not model.model_type.startswith(_UNCHECKED_HEADS):
        yield from _head_widths(model, split.attention_tp)


def _head_widths(model: ModelArchitecture, tp: int) -> Iterator[_Width]:
    if model.mla is not None:
        mla, heads = model.mla, model.heads
        if tp > 1:  # none of its projections is merged, and replicated ones are not checked
            yield _Width(name="width of the queries", width=heads * (mla.nope_head_dim + mla.rope_head_dim), shares=tp)
            yield _Width(name="width of keys and values", width=heads * (mla.nope_head_dim + mla.v_head_dim), shares=tp)
            yield _Width(name="width of the attention's output", width=heads * mla.v_head_dim, shares=tp)
        return
    for layers, kv_heads, head, value in (
        (model.full_layers, model.kv_heads, model.head_dim, model.v_head_dim),
        (model.sliding_layers, model.sliding_kv_heads, model.sliding_head_dim, model.sliding_v_head_dim),
    ):
        if not layers:
            continue
        yield _Width(name="width of the queries", width=model.heads * head, shares=tp)
        yield _Width(name="width of the keys", width=kv_heads * head, shares=tp, heads=kv_heads)
        yield _Width(name="width of the values", width=kv_heads * value, shares=tp, heads=kv_heads)
        if tp > 1:
            yield _Width(name="width of the attention's output", width=model.heads * value, shares=tp)
        if (head, value, kv_heads) == (model.sliding_head_dim, model.sliding_v_head_dim, model.sliding_kv_heads):
            return


def largest_divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of `number` that is not above `at_most`."""
    return max(n for n in range(1, max(1, at_most) + 1) if number % n == 0)
