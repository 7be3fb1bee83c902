"""Plans a fleet: does every component fit, how fast is it, how many instances does it need, what does it cost.

Every problem of the whole environment is found before any is reported.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cdk_sglang.hardware import price_usd_per_hour
from cdk_sglang.planning.alternatives import cheapest_fast_enough, nearest_fit, question
from cdk_sglang.planning.cost import price_warnings, token_prices
from cdk_sglang.planning.endpoints import pack_endpoint
from cdk_sglang.planning.fleet import ComponentPlan, FleetPlan, Range
from cdk_sglang.planning.formats import format_notes
from cdk_sglang.planning.host import host_warnings, plan_disk, plan_host
from cdk_sglang.planning.memory import MemoryPlan, memory_of, split_problems
from cdk_sglang.planning.parallel import GIB
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.remedies import same_instance_remedy
from cdk_sglang.planning.splits import context_of, split_on
from cdk_sglang.planning.startup import start_up

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, Price
    from cdk_sglang.planning.fleet import Alternative, ComponentRequest, EndpointPlan, EndpointRequest, FleetRequest
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.predict import Answer

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
            request=request,
            component=component,
            instance=first,
            price=price,
            path=path,
            problems=problems,
            warnings=warnings,
        )
        plans.append(
            dataclasses.replace(plan, gpus_by_type={i.name: split_on(component, i).gpus for i in endpoint.instances})
        )
        warnings += host_warnings(path, plan.host)
        for other in endpoint.instances[1:]:
            _check(
                component=component,
                instance=other,
                split=split_on(component, other),
                context=plan.context_length,
                request=request,
                path=path,
                problems=problems,
                warnings=warnings,
            )
    return pack_endpoint(endpoint=endpoint, plans=plans, price=price, where=where, problems=problems, warnings=warnings)


def _plan_component(
    *,
    request: FleetRequest,
    component: ComponentRequest,
    instance: GpuInstance,
    price: Price | None,
    path: str,
    problems: list[str],
    warnings: list[str],
) -> ComponentPlan:
    model = component.facts.architecture
    limit = model.max_position_embeddings
    context = context_of(component)
    notes = []
    if component.context_length and limit and component.context_length > limit:
        problems.append(
            f"{path}.server.context_length: {component.context_length} is beyond the {limit} of {component.facts.id}; use {limit} or less"
        )
    split = split_on(component, instance)
    memory = _check(
        component=component,
        instance=instance,
        split=split,
        context=context,
        request=request,
        path=path,
        problems=problems,
        warnings=warnings,
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
        host=plan_host(component, memory, gpus=split.gpus),
        disk=plan_disk(component, instance, gpus=split.gpus),
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
    warnings: list[str],
) -> MemoryPlan:
    """Return the memory plan; add what makes the component impossible on this type, and what is to be known of it."""
    model = component.facts.architecture
    memory = memory_of(component, instance.gpu, split)
    where = f"{path}.server.tp_size"
    if split.gpus > instance.gpu_count:
        problems.append(
            f"{where}: {split.gpus} GPUs asked, {instance.name} has {instance.gpu_count}; use {instance.gpu_count} or less"
        )
    refusals = split_problems(model, instance.gpu, split)
    warnings += [
        f"{path}.model: {component.facts.id} on {instance.name}: {n}" for n in format_notes(model, instance.gpu)
    ]
    problems += [f"{where}: {component.facts.id} on {instance.name}: {problem}" for problem in refusals]
    if not model.kv_known:
        problems.append(f"{path}.model: {component.facts.id}: {component.facts.note or 'the KV cache is not known'}")
        return memory
    short = max(memory.shortfall_gib(context), -memory.cache_gib)
    if short > 0:
        near = nearest_fit(component, context, request.region, request.prices)
        remedy = "" if refusals else same_instance_remedy(component, instance.gpu, split, context)
        advice = (
            f"nearest fit: {near}"
            if near
            else "no instance type holds it; use a smaller format, model or context_length"
        )
        if remedy:
            advice = f"set {remedy} in {path}.server, with which it fits here" + (f"; or {advice}" if near else "")
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
