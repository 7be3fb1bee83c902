"""How many requests one copy serves at once, and how long the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.planning.memory import SLIDING_POOL_RATIO
from cdk_sglang.planning.parallel import GIB, kv_bytes_per_token

if TYPE_CHECKING:
    from cdk_sglang.planning.memory import MemoryPlan
    from cdk_sglang.planning.rows import Question


def served_at_once(question: Question, memory: MemoryPlan) -> float:
    """Return how many requests are served at the same time when more are sent; 0 when not even one fits.

    TensorRT-LLM starts a request when its whole answer has room (its default scheduler, GUARANTEED_NO_EVICT). SGLang and
    vLLM start one when there is room now, so answers at all stages share the cache and take half their length on average.

    A format of the cache that is not given leaves the capacity open by a factor of two where weights are quantized: recipes
    often set an fp8 cache beside them. Then requests wait only where they would with an fp8 cache, too.
    """
    tokens = float(memory.kv_tokens)
    if not question.kv_given and question.facts.architecture.quantization.method != "bf16" and tokens > 0:
        tokens = max(tokens, _tokens_in_fp8(question, memory))
    length = question.input_tokens + question.output_tokens
    if tokens < length:
        return 0.0
    occupied = length if question.engine == "trtllm" else question.input_tokens + question.output_tokens / 2
    return tokens // max(1.0, occupied) * question.split.attention_dp


def _tokens_in_fp8(question: Question, memory: MemoryPlan) -> float:
    kv = kv_bytes_per_token(question.facts.architecture, question.split, "fp8")
    per_token = kv.unbounded + kv.sliding * SLIDING_POOL_RATIO
    return (memory.cache_gib - memory.state_gib) * GIB // per_token if per_token > 0 else 0.0


def waiting_ms(question: Question, *, running: float, ttft_ms: float, tpot_ms: float) -> float:
    """Return the mean wait for a place when more requests are sent at once than are served (Little's law)."""
    if question.concurrency is None or running >= question.concurrency:
        return 0.0
    return (question.concurrency / running - 1) * (ttft_ms + question.output_tokens * tpot_ms)
