"""Memory of LoRA adapters: SGLang allocates every slot on the GPU at start-up, and keeps whole adapters in host memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.planning.parallel import GIB, Parallelism

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.models.architecture import Mla, ModelArchitecture

ALL_MODULES: Final = ("all",)
"""Modules that an adapter may change if unspecified: SGLang's `--lora-target-modules all`."""

# SGLang 0.5.23, srt/lora/utils.py, get_normalized_target_modules: modules that share a buffer.
_BUFFERS: Final = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj"), "qkv_proj"),
    **dict.fromkeys(("gate_proj", "up_proj"), "gate_up_proj"),
    **dict.fromkeys(("q_a_proj", "kv_a_proj_with_mqa"), "fused_qkv_a_proj_with_mqa"),
}
_ENDS: Final = frozenset({"embed_tokens", "lm_head"})
_BYTES: Final = 2  # buffers have the model's data type


def adapter_slots_gib(
    model: ModelArchitecture, split: Parallelism, *, slots: int, rank: int, modules: Iterable[str] = ALL_MODULES
) -> float:
    """Return GiB on each GPU that SGLang's adapter slots take (0.5.23, srt/lora/mem_pool.py).

    Only one of an adapter's two matrices is sharded over the GPUs; each GPU keeps the other one whole, so tensor parallelism saves
    less than half of the memory. Every layer has buffers for every kind of module, and experts have their own.

    Args:
        model: The model.
        split: How one copy is spread over GPUs.
        slots: `max_loras_per_batch`.
        rank: `max_lora_rank`; adapters of a smaller rank take the same memory.
        modules: `lora_target_modules`.
    """
    buffers = {_BUFFERS.get(module, module) for module in modules}
    values = _layers(model, split, buffers)
    ends = _ENDS if "all" in buffers else _ENDS & buffers
    # If both modules are requested, each of them allocates buffers for both (init_buffers).
    values += len(ends) * sum(_ends(model, split)[name] for name in ends)
    return slots * rank * values * model.quantization.plain_bytes / GIB


def adapter_host_gib(model: ModelArchitecture, *, rank: int, modules: Iterable[str] = ALL_MODULES) -> float:
    """Return GiB of host memory that one adapter takes in each GPU's process (SGLang 0.5.23, srt/lora/lora.py).

    Every process keeps the whole adapter, whatever the tensor parallelism, and slices out its part when it copies the adapter to the GPU.
    Counts two bytes per value; an adapter saved in float32 takes twice as much.

    Args:
        model: The model.
        rank: Rank of the adapter.
        modules: Modules that the adapter changes; "all" means all linear layers without embeddings and head, as PEFT's `all-linear`.
    """
    whole = Parallelism()
    buffers = {_BUFFERS.get(module, module) for module in modules}
    values = _layers(model, whole, buffers) + sum(_ends(model, whole)[name] for name in _ENDS & buffers)
    return rank * values * _BYTES / GIB


def _layers(model: ModelArchitecture, split: Parallelism, buffers: set[str]) -> float:
    """Values of all layers per unit of rank."""
    layer = {**_attention(model, split), **_mlp(model, split)}
    return model.layers * sum(size for name, size in layer.items() if "all" in buffers or name in buffers)


def _attention(model: ModelArchitecture, split: Parallelism) -> dict[str, float]:
    """Values per layer and unit of rank."""
    width, shards = model.hidden_size, split.attention_tp
    if model.mla is not None:
        found = _latent_attention(model, model.mla, shards)
    else:
        kv_heads = max(1.0, model.kv_heads / shards)
        key_value = kv_heads * (model.head_dim + model.v_head_dim)
        found = {
            "qkv_proj": 3 * width + model.heads * model.head_dim / shards + key_value,
            "o_proj": model.heads * model.v_head_dim / shards + width,
        }
    linear = model.linear
    if linear is not None and linear.value_heads:
        keys, values = linear.key_heads * linear.key_head_dim, linear.value_heads * linear.value_head_dim
        found["in_proj_qkvz"] = 4 * width + 2 * (keys + values) / shards
        found["out_proj"] = values / shards + width
    return found


def _latent_attention(model: ModelArchitecture, mla: Mla, shards: int) -> dict[str, float]:
    width, queries = model.hidden_size, mla.q_lora_rank or 0
    return {
        "fused_qkv_a_proj_with_mqa": 2 * width + queries + mla.latent_size,
        "q_b_proj": queries + model.heads * (mla.nope_head_dim + mla.rope_head_dim) / shards if queries else 0,
        "kv_b_proj": mla.kv_lora_rank + model.heads * (mla.nope_head_dim + mla.v_head_dim) / shards,
        "o_proj": model.heads * mla.v_head_dim / shards + width,
    }


def _mlp(model: ModelArchitecture, split: Parallelism) -> dict[str, float]:
    """Values per layer and unit of rank."""
    gates = model.mlp_matrices - 1
    up_name = "gate_up_proj" if gates > 1 else "up_proj"

    def pair(inner: float, shards: int) -> tuple[float, float]:
        return gates * (model.hidden_size + inner / shards), inner / shards + model.hidden_size

    moe = model.moe
    if moe is None:
        up, down = pair(model.intermediate_size, split.tensor)
        return {up_name: up, "down_proj": down}
    experts, shards = (moe.experts / split.tensor, 1) if split.expert_parallel else (moe.experts, split.tensor)
    up, down = (experts * each for each in pair(moe.intermediate_size, shards))
    if moe.shared_intermediate_size:
        shared_up, shared_down = pair(moe.shared_intermediate_size, split.tensor)
        up, down = up + shared_up, down + shared_down
    return {up_name: up, "down_proj": down}


def _ends(model: ModelArchitecture, split: Parallelism) -> dict[str, float]:
    """Values per unit of rank; every GPU keeps those of the embedding whole."""
    return {
        "embed_tokens": model.vocab_size + model.hidden_size,
        "lm_head": model.hidden_size + model.vocab_size / split.tensor,
    }
