"""Adapter slots against the shapes that SGLang's own memory pool takes; see tests/container/test_adapter_memory.py for the real one."""

from __future__ import annotations

import pytest

from cdk_sglang.models import catalogue
from cdk_sglang.planning.adapters import adapter_host_gib, adapter_slots_gib
from cdk_sglang.planning.parallel import Parallelism

GIB = 2**30
LLAMA_70B = catalogue("meta-llama/Llama-3.1-70B-Instruct").architecture


def test_one_of_an_adapters_two_matrices_is_whole_on_every_gpu() -> None:
    one, eight = (
        adapter_slots_gib(LLAMA_70B, Parallelism(gpus=gpus), slots=8, rank=64, modules=("q_proj", "o_proj"))
        for gpus in (1, 8)
    )
    layer_on_eight = (3 * 8192 + (8192 + 2 * 1024) / 8) + (8192 / 8 + 8192)
    assert eight == pytest.approx(8 * 64 * 80 * layer_on_eight * 2 / GIB)
    assert eight > one / 2


def test_modules_that_share_a_buffer_are_counted_once_and_others_not_at_all() -> None:
    split = Parallelism(gpus=4)

    def gib(*modules: str) -> float:
        return adapter_slots_gib(LLAMA_70B, split, slots=8, rank=16, modules=modules)

    assert gib("q_proj") == gib("q_proj", "k_proj", "v_proj") == gib("qkv_proj")
    assert gib("gate_proj", "up_proj", "down_proj") > gib("q_proj", "o_proj")
    assert gib("all") > gib("q_proj", "o_proj", "gate_proj", "down_proj")  # embeddings are among them


def test_experts_have_buffers_of_their_own() -> None:
    model = catalogue("Qwen/Qwen3-30B-A3B").architecture
    attention = adapter_slots_gib(model, Parallelism(), slots=8, rank=16, modules=("q_proj", "o_proj"))
    everything = adapter_slots_gib(model, Parallelism(), slots=8, rank=16)
    assert everything > 50 * attention
    spread = adapter_slots_gib(model, Parallelism(gpus=8, expert_parallel=True), slots=8, rank=16)
    assert spread == pytest.approx(everything / 8, rel=0.2)


def test_no_slots_take_nothing() -> None:
    assert adapter_slots_gib(LLAMA_70B, Parallelism(), slots=0, rank=16) == 0


def test_in_host_memory_every_process_keeps_the_whole_adapter() -> None:
    layer = (3 * 8192 + (8192 + 2 * 1024)) + (8192 + 8192)
    modules = ("q_proj", "o_proj")
    assert adapter_host_gib(LLAMA_70B, rank=64, modules=modules) == pytest.approx(64 * 80 * layer * 2 / GIB)
    slot_of_eight = adapter_slots_gib(LLAMA_70B, Parallelism(gpus=8), slots=1, rank=64, modules=modules)
    assert adapter_host_gib(LLAMA_70B, rank=64, modules=modules) > slot_of_eight


def test_all_linear_layers_are_without_embeddings_and_head() -> None:
    linear = ("q_proj", "o_proj", "gate_proj", "down_proj")
    everything = adapter_host_gib(LLAMA_70B, rank=16)
    assert everything == adapter_host_gib(LLAMA_70B, rank=16, modules=linear)
    head = 16 * (8192 + 128_256) * 2 / GIB
    assert adapter_host_gib(LLAMA_70B, rank=16, modules=(*linear, "lm_head")) == pytest.approx(everything + head)
