"""Describes a component's memory plan in one line: why it fits or not, what limits its requests, and which figures are assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.planning.verdict import missing_gib
from cdk_sglang.spec.load import EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.memory import MemoryPlan
    from cdk_sglang.planning.parallel import Parallelism

NO_DECODING: Final = "answers with one forward pass over a prompt and generates no tokens: TTFT is the whole answer's time, and there is no time per token"
"""Note of a plan on a component that generates no tokens."""


def memory_line(
    component: ComponentRequest, instance: GpuInstance, split: Parallelism, memory: MemoryPlan, context: int
) -> str:
    """Return the memory plan of a component in one line.

    Args:
        component: The component.
        instance: Instance type.
        split: How a copy is spread over GPUs.
        memory: Memory plan of its fullest GPU.
        context: Tokens of the longest request that the plan provides for.
    """
    where = f"{split.gpus} x {instance.gpu.product} of {instance.name}"
    if not component.facts.architecture.kv_known:
        return f"not known to fit {where}: {component.facts.note or 'the KV cache is not known'}"
    taken = f"{memory.weights_gib + memory.draft_gib + memory.adapters_gib:.1f} of {memory.total_gib:.1f} GiB"
    short = missing_gib(memory, context)
    if short > 0:
        return f"does not fit {where}: {taken} for weights leave {short:.1f} GiB too little for one request of {context:,} tokens"
    share = f"mem_fraction_static {memory.fraction:.3g}"
    share += ", SGLang's default" if component.mem_fraction is None else ""
    length = component.input_tokens + component.output_tokens
    return (
        f"fits {where}: beside {taken} for weights, {memory.cache_gib:.1f} GiB ({share}) hold {memory.kv_tokens:,} tokens of "
        f"{memory.bytes_per_token:,.0f} B in {memory.kv_dtype}, {memory.kv_tokens / context:.1f} times the context of {context:,}; at {length:,.0f} "
        f"tokens a request, {_limit(component, split, memory, length)}; assumed: {', '.join(_assumptions(component, instance, split))}"
    )


def _limit(component: ComponentRequest, split: Parallelism, memory: MemoryPlan, length: float) -> str:
    """Return in words how many requests are served at once, and what limits them."""
    served = memory.requests(length)
    at_once = f"{served * split.groups:,} at once, limited by"
    if memory.running_limit is None or served < memory.running_limit:
        return f"{at_once} the KV cache"
    if memory.state is not None and memory.state.running == memory.running_limit:
        return f"{at_once} recurrent state ({memory.state.slots} slots, {memory.state.per_request} for each request)"
    draft = "" if component.speculation is None else " with a draft"
    chosen = "" if component.engine.max_running_requests else f", SGLang's choice{draft}"
    return f"{at_once} max_running_requests{chosen}"


def _assumptions(component: ComponentRequest, instance: GpuInstance, split: Parallelism) -> list[str]:
    """Return the figures that neither a rule of the engine nor the specification determines."""
    links = split.tensor > 1 and instance.gpu.nvlink_gb_s is not None
    beside = "communication and " if links else "start-up and " if split.tensor == 1 else ""
    found = [f"GPU memory taken by {beside}loading"]
    if not component.engine.release_known:
        found.append(f"rules of SGLang {'.'.join(map(str, component.engine.release))}")
    if (component.input_tokens, component.output_tokens) == (EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS):
        found.append("length of requests")
    if component.speculation is not None and component.speculation.is_assumed:
        found.append("accept length")
    return found
