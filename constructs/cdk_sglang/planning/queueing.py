"""How many requests one copy serves at once, and how long the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.planning.drafts import draft_kv
from cdk_sglang.planning.memory import pool_bytes
from cdk_sglang.planning.parallel import GIB, kv_bytes_per_token

if TYPE_CHECKING:
    from cdk_sglang.planning.memory import MemoryPlan
    from cdk_sglang.planning.rows import Question

COMMON_UTILIZATION = 0.95
"""Of 185 lines of vLLM's recipes that set --gpu-memory-utilization, 40 have 0.95 and 11 more (github.com/vllm-project/recipes, 2026-08-21)."""


def served_at_once(question: Question, memory: MemoryPlan) -> float:
    """Return how many requests are served at the same time when more are sent; 0 when not even one fits.

    TensorRT-LLM starts a request when its whole answer has room (its default scheduler, GUARANTEED_NO_EVICT). SGLang and
    vLLM start one when there is room now, so answers at all stages share the cache and take half their length on average. What they hold
    is a mean then, and no whole number.

    A format of the cache that is not given leaves the capacity open by a factor of two where weights are quantized: recipes
    often set an fp8 cache beside them. Then requests wait only where they would with an fp8 cache, too. So does vLLM's utilization: where
    nobody says, requests wait only where they would at the highest that its recipes commonly set.
    """
    tokens = float(memory.kv_tokens)
    if question.engine == "vllm" and question.mem_fraction is None and tokens > 0:
        more = (COMMON_UTILIZATION - memory.fraction) * memory.total_gib * GIB
        tokens += max(0.0, more) * memory.kv_tokens / max(1.0, (memory.cache_gib - memory.state_gib) * GIB)
    if not question.kv_given and question.facts.architecture.quantization.method != "bf16" and tokens > 0:
        tokens = max(tokens, _tokens_in_fp8(question, memory))
    length = question.input_tokens + question.output_tokens
    if tokens < length:
        return 0.0
    if question.engine == "trtllm":
        return tokens // max(1.0, length) * question.split.attention_dp
    occupied = question.input_tokens + question.output_tokens / 2
    return tokens / max(1.0, occupied) * question.split.attention_dp


def _tokens_in_fp8(question: Question, memory: MemoryPlan) -> float:
    kv = kv_bytes_per_token(question.facts.architecture, question.split, "fp8")
    per_token = pool_bytes(
        kv, draft_kv(question.facts.architecture, question.split, "fp8", question.speculation), memory.sliding_ratio
    )
    return (memory.cache_gib - memory.state_gib) * GIB // per_token if per_token > 0 else 0.0


def waiting_ms(question: Question, *, running: float, ttft_ms: float, tpot_ms: float) -> float:
    """Return the mean wait for a place when more requests are sent at once than are served (Little's law)."""
    if question.concurrency is None or running >= question.concurrency:
        return 0.0
    return (question.concurrency / running - 1) * (ttft_ms + question.output_tokens * tpot_ms)
