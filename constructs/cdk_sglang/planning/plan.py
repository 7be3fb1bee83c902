"""Plans a fleet: does every component fit, how fast is it, how many instances does it need, what does it cost.

Every problem of the whole environment is found before any is reported.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cdk_sglang.hardware import price_usd_per_hour
from cdk_sglang.planning.alternatives import cheapest_fast_enough, fitting_splits, nearest_fit, question
from cdk_sglang.planning.cost import price_warnings, token_prices
from cdk_sglang.planning.fleet import ComponentPlan, EndpointPlan, FleetPlan, Range
from cdk_sglang.planning.memory import MemoryPlan, plan_memory, split_problems
from cdk_sglang.planning.packing import Need, pack, unusable_share
from cdk_sglang.planning.parallel import GIB, Parallelism
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.startup import start_up

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, Price
    from cdk_sglang.planning.fleet import Alternative, ComponentRequest, EndpointRequest, FleetRequest
    from cdk_sglang.planning.predict import Answer

SCALE_IN_TAIL_MINUTES = 25
"""From the last request to the end of an instance: about 25 minutes without IDLE_RELEASE (field report, stdapi.ai#43)."""
DEFAULT_CONCURRENCY = 16.0
"""Requests in flight per copy when a component asks for no latency."""


def plan_fleet(request: FleetRequest) -> FleetPlan:
    """Return the plan of an environment; its `problems` name everything that speaks against deploying it."""
    problems: list[str] = []
    warnings: list[str] = []
    endpoints = [_plan_endpoint(request, endpoint, problems, warnings) for endpoint in request.endpoints]
    costs = [endpoint.usd_per_hour for endpoint in endpoints]
    known = [cost for cost in costs if cost is not None]
    total = None
    if known:
        total = Range(
            low=sum(c.low for c in known), typical=sum(c.typical for c in known), high=sum(c.high for c in known)
        )
    budget = request.budget_usd_per_hour
    if budget is not None and total is not None and total.high > budget:
        parts = ", ".join(f"{e.name} {e.usd_per_hour.high:.2f}" for e in endpoints if e.usd_per_hour)
        problems.append(
            f"budget_usd_per_hour: the fleet costs up to {total.high:.2f} USD per hour ({parts}), {budget:.2f} allowed; raise the "
            "budget, or lower max_copies or max_instances"
        )
    return FleetPlan(
        environment=request.environment,
        region=request.region,
        endpoints=tuple(endpoints),
        usd_per_hour=total,
        problems=tuple(problems),
        warnings=tuple(warnings),
    )


def _plan_endpoint(
    request: FleetRequest, endpoint: EndpointRequest, problems: list[str], warnings: list[str]
) -> EndpointPlan:
    where = f"endpoints.{endpoint.name}"
    first = endpoint.instances[0]
    price = price_usd_per_hour(first, request.region, table=request.prices)
    price_warnings(
        request=request, where=where, instance=first, price=price, reserved=endpoint.reserved, warnings=warnings
    )
    plans = []
    for component in endpoint.components:
        path = f"{where}.components.{component.name}"
        plan = _plan_component(
            request=request, component=component, instance=first, price=price, path=path, problems=problems
        )
        plans.append(plan)
        for other in endpoint.instances[1:]:
            split = Parallelism(
                gpus=plan.gpus, attention_dp=component.attention_dp, expert_parallel=component.expert_parallel
            )
            _check(
                component=component,
                instance=other,
                split=split,
                context=plan.context_length,
                request=request,
                path=path,
                problems=problems,
            )
    return _pack_endpoint(endpoint=endpoint, instance=first, plans=plans, price=price, where=where, problems=problems)


def _pack_endpoint(
    *,
    endpoint: EndpointRequest,
    instance: GpuInstance,
    plans: list[ComponentPlan],
    price: Price | None,
    where: str,
    problems: list[str],
) -> EndpointPlan:
    def needs(copies: dict[str, int]) -> list[Need]:
        return [
            Need(name=c.name, gpus=p.gpus, host_memory_gib=c.host_memory_gib, vcpus=c.vcpus)
            for c, p in zip(endpoint.components, plans, strict=True)
            for _ in range(copies[c.name])
        ]

    least = {c.name: c.min_copies for c in endpoint.components}
    most = {c.name: max(c.min_copies, c.max_copies) for c in endpoint.components}
    middle = {name: math.ceil((least[name] + most[name]) / 2) for name in least}
    layouts = pack(needs(most), instance)
    counts = [max(endpoint.min_instances, len(pack(needs(copies), instance))) for copies in (least, middle, most)]
    limit = endpoint.max_instances
    if limit is not None and counts[0] > limit:
        problems.append(
            f"{where}.capacity.max_instances: {counts[0]} instances are needed for the minimum copies, {limit} allowed; raise it, or "
            f"lower min_copies, or use an instance with more than {instance.gpu_count} GPUs"
        )
    elif limit is not None and counts[2] > limit:
        problems.append(
            f"{where}.capacity.max_instances: {counts[2]} instances are needed for the maximum copies, {limit} allowed; raise it to "
            f"{counts[2]}, or lower max_copies"
        )
    extra = pack(needs({name: copies + 1 for name, copies in most.items()}), instance)
    smallest = min((plan.gpus for plan in plans), default=1)
    usd = (
        Range(
            low=counts[0] * price.usd_per_hour,
            typical=counts[1] * price.usd_per_hour,
            high=counts[2] * price.usd_per_hour,
        )
        if price
        else None
    )
    return EndpointPlan(
        name=endpoint.name,
        instance=instance.name,
        gpus_per_instance=instance.gpu_count,
        components=tuple(plans),
        instances=Range(low=counts[0], typical=counts[1], high=counts[2]),
        layouts=layouts,
        fragmentation=unusable_share(layouts, smallest),
        update_room=len(extra) <= len(layouts),
        price=price,
        usd_per_hour=usd,
        scale_in_tail_usd=price.usd_per_hour * SCALE_IN_TAIL_MINUTES / 60 if price else None,
    )


def _plan_component(
    *,
    request: FleetRequest,
    component: ComponentRequest,
    instance: GpuInstance,
    price: Price | None,
    path: str,
    problems: list[str],
) -> ComponentPlan:
    model = component.facts.architecture
    limit = model.max_position_embeddings
    context = component.context_length or limit or int(component.input_tokens + component.output_tokens)
    notes = []
    if component.context_length and limit and component.context_length > limit:
        problems.append(
            f"{path}.server.context_length: {component.context_length} is beyond the {limit} of {component.facts.id}; use {limit} or less"
        )
    split = _split(component, instance, context)
    memory = _check(
        component=component,
        instance=instance,
        split=split,
        context=context,
        request=request,
        path=path,
        problems=problems,
    )
    concurrency = component.slo.at_concurrency if component.slo else DEFAULT_CONCURRENCY
    given = None
    if model.kv_known:
        (given,) = answer([question(component, instance, split, concurrency=concurrency)])
        notes += list(given.notes)
        _check_slo(component, instance, given, path, problems)
    alternatives: tuple[Alternative, ...] = ()
    if component.slo is not None and model.kv_known:
        alternatives = cheapest_fast_enough(component, component.slo, context, request.region, request.prices)
    copies = instance.gpu_count // split.gpus if split.gpus <= instance.gpu_count else 0
    rate = given.output_tok_s_per_gpu if given and given.fits else None
    prices = token_prices(
        component=component,
        instance=instance,
        split=split,
        tokens_s=rate.value if rate else None,
        price=price,
        concurrency=concurrency,
    )
    requests = memory.requests(context) * split.attention_dp
    return ComponentPlan(
        name=component.name,
        model=component.facts.id,
        instance=instance.name,
        gpus=split.gpus,
        memory=memory,
        context_length=context,
        requests_at_context=requests,
        copies_per_instance=copies,
        min_copies=component.min_copies,
        max_copies=component.max_copies,
        concurrency=concurrency,
        start_up=start_up(component.facts.weights_gib * GIB / 1e9, instance),
        ttft_ms=given.ttft_ms if rate and given else None,
        tpot_ms=given.tpot_ms if rate and given else None,
        output_tok_s=type(rate)(value=rate.value * split.gpus, low=rate.low * split.gpus, high=rate.high * split.gpus)
        if rate
        else None,
        usd_per_million_input_tokens=prices[0],
        usd_per_million_output_tokens=prices[1],
        options={
            "mem_fraction_static": round(memory.fraction, 3),
            "max_running_requests": max(
                1, int(memory.requests(component.input_tokens + component.output_tokens)) * split.attention_dp
            ),
            "context_length": context,
        },
        alternatives=alternatives,
        notes=tuple(notes),
    )


def _split(component: ComponentRequest, instance: GpuInstance, context: float) -> Parallelism:
    if component.tp_size is None:
        fits = fitting_splits(component, instance, context)
        size = fits[0].gpus if fits else instance.gpu_count
    else:
        size = component.tp_size
    return Parallelism(
        gpus=max(1, size), attention_dp=component.attention_dp, expert_parallel=component.expert_parallel
    )


def _check(
    *,
    component: ComponentRequest,
    instance: GpuInstance,
    split: Parallelism,
    context: int,
    request: FleetRequest,
    path: str,
    problems: list[str],
) -> MemoryPlan:
    """Return the memory plan; add what makes the component impossible on this type."""
    model = component.facts.architecture
    memory = plan_memory(
        model,
        instance.gpu,
        split,
        kv_dtype=component.kv_dtype or "bf16",
        fraction=component.mem_fraction,
        draft_gib=component.draft_gib,
        mtp=component.mtp,
        lora_slots=component.lora_slots,
        lora_rank=component.lora_rank,
        lora_modules=component.lora_modules,
    )
    where = f"{path}.server.tp_size"
    if split.gpus > instance.gpu_count:
        problems.append(
            f"{where}: {split.gpus} GPUs asked, {instance.name} has {instance.gpu_count}; use {instance.gpu_count} or less"
        )
    refusals = split_problems(model, instance.gpu, split)
    problems += [f"{where}: {component.facts.id} on {instance.name}: {problem}" for problem in refusals]
    if not model.kv_known:
        problems.append(f"{path}.model: {component.facts.id}: {component.facts.note or 'the KV cache is not known'}")
        return memory
    short = max(memory.shortfall_gib(context), -memory.cache_gib)
    if short > 0:
        near = nearest_fit(component, context, request.region, request.prices)
        advice = (
            f"nearest fit: {near}"
            if near
            else "no instance type holds it; use a smaller format, model or context_length"
        )
        problems.append(
            f"{where}: {component.facts.id} with context_length {context} does not fit {split.gpus} x {instance.gpu.product} of "
            f"{instance.name}: {short:.1f} GiB short per GPU ({memory.weights_gib:.1f} GiB of weights, {memory.total_gib:.1f} GiB there); {advice}"
        )
    return memory


def _check_slo(
    component: ComponentRequest, instance: GpuInstance, given: Answer, path: str, problems: list[str]
) -> None:
    slo = component.slo
    if slo is None:
        return
    for name, asked, band in (("ttft_ms", slo.ttft_ms, given.ttft_ms), ("tpot_ms", slo.tpot_ms, given.tpot_ms)):
        if asked is not None and band is not None and band.low > asked:
            problems.append(
                f"{path}.slo.{name}: {asked:g} ms asked, {band.value:.0f} ms ({band.low:.0f} to {band.high:.0f}) expected on "
                f"{instance.name} at {slo.at_concurrency:g} requests in flight per copy; allow more, ask for fewer in flight, or use a "
                "faster instance"
            )
