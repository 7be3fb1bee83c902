"""Number of requests that one copy serves at once, and the waiting time of the others."""

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
    """Return how many requests are served at the same time under higher load; 0 if not even one fits.

    TensorRT-LLM starts a request only if its whole answer has room (its default scheduler, GUARANTEED_NO_EVICT). SGLang and
    vLLM start one as soon as there is room at that moment, so answers at all stages share the cache and take half their length on average.
    The result for them is therefore a mean, not a whole number.

    If the cache format is unspecified and weights are quantized, the capacity is uncertain by a factor of two, because recipes often combine
    such weights with an fp8 cache. Requests are then counted as waiting only if they would also wait with an fp8 cache. The same applies to
    vLLM's utilization: if unspecified, requests wait only if they would at the highest value that its recipes commonly set.
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
    """Return the mean waiting time if more requests are sent at once than are served (Little's law)."""
    if question.concurrency is None or running >= question.concurrency:
        return 0.0
    return (question.concurrency / running - 1) * (ttft_ms + question.output_tokens * tpot_ms)
