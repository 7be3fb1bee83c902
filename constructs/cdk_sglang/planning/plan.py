"""Plans a fleet: whether every component fits, how fast it is, how many instances it needs, and what it costs.

All problems of the environment are collected and reported together.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import price_usd_per_hour, region_doubts
from cdk_sglang.models.facts import doubts
from cdk_sglang.models.known_models import contradiction
from cdk_sglang.planning.alternatives import cheapest_fast_enough, prices_of, question
from cdk_sglang.planning.cost import budget_problems, price_warnings, total_usd
from cdk_sglang.planning.endpoints import pack_endpoint
from cdk_sglang.planning.fleet_plan import Calibrated, ComponentPlan, FleetPlan
from cdk_sglang.planning.formats import format_notes
from cdk_sglang.planning.host import host_warnings, plan_disk, plan_host
from cdk_sglang.planning.measured_calibration import fitted_of
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.outlook import outlook
from cdk_sglang.planning.parallel import GIB
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.price import copy_usd_per_hour
from cdk_sglang.planning.splits import context_of, split_on
from cdk_sglang.planning.startup import start_up
from cdk_sglang.planning.verdict import component_problems, instance_problems
from cdk_sglang.planning.words import NO_DECODING, memory_line
from cdk_sglang.spec.slo import Slo

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, Price
    from cdk_sglang.planning.fleet_plan import Alternative, EndpointPlan
    from cdk_sglang.planning.fleet_request import ComponentRequest, EndpointRequest, FleetRequest

DEFAULT_CONCURRENCY = 16.0
"""Requests in flight per copy for a component without a latency objective."""


def plan_fleet(request: FleetRequest) -> FleetPlan:
    """Return the plan of an environment; its `problems` list everything that prevents its deployment.

    Args:
        request: The environment.
    """
    problems: list[Problem] = []
    warnings: list[str] = []
    endpoints = [_plan_endpoint(request, endpoint, problems, warnings) for endpoint in request.endpoints]
    total = total_usd(endpoints)
    problems += budget_problems(request, endpoints, total)
    return FleetPlan(
        environment=request.environment,
        region=request.region,
        endpoints=tuple(endpoints),
        usd_per_hour=total,
        problems=tuple(problems),
        warnings=tuple(warnings),
        budget_usd_per_hour=request.budget_usd_per_hour,
        calibrations=_calibrations(request),
    )


def _calibrations(request: FleetRequest) -> tuple[Calibrated, ...]:
    """Return the user's own measurements that the plan uses, each once."""
    found = {
        id(one.calibration): one.calibration
        for endpoint in request.endpoints
        for one in endpoint.components
        if one.calibration is not None
    }
    return tuple(Calibrated(place=one.place, rows=one.rows, text=one.text) for one in found.values())


def _plan_endpoint(
    request: FleetRequest, endpoint: EndpointRequest, problems: list[Problem], warnings: list[str]
) -> EndpointPlan:
    where = f"endpoints.{endpoint.name}"
    first = endpoint.instances[0]
    prices = {one.name: price_usd_per_hour(one, request.region, table=request.prices) for one in endpoint.instances}
    for one in endpoint.instances:
        warnings += [Problem(f"{where}.capacity", doubt) for doubt in region_doubts(request.region, one)]
    for one in endpoint.instances:
        price_warnings(request=request, where=where, instance=one, price=prices[one.name], warnings=warnings)
    if endpoint.reserved:
        warnings.append(
            Problem(
                f"{where}.capacity.reserved",
                "reserved capacity is paid up front at its offering's price; on-demand prices are shown",
            )
        )
    plans = []
    for component in endpoint.components:
        path = f"{where}.components.{component.name}"
        fit = component_problems(component, endpoint.instances, path=path, region=request.region, prices=request.prices)
        if component.no_fit_check is None:
            problems += fit
        else:
            warnings.append(Problem(path, f"whether it fits is not checked: {component.no_fit_check}"))
            warnings += fit
        plan = _plan_component(request=request, component=component, instance=first, price=prices[first.name])
        misfit = fit and instance_problems(component, first, path=path, region=request.region, prices=request.prices)
        if not misfit or component.no_fit_check is not None:  # otherwise no latency can be met on that type
            problems += _slo_problems(component, first, plan, path)
        plans.append(
            dataclasses.replace(plan, gpus_by_type={i.name: split_on(component, i).gpus for i in endpoint.instances})
        )
        warnings += host_warnings(path, plan.host)
        warnings += [Problem(f"{path}.model.id", doubt) for doubt in doubts(component.facts)]
        warnings += [Problem(path, note) for note in component.notes]
        if component.engine.release_note:
            warnings.append(Problem(path, component.engine.release_note))
        if difference := contradiction(component.facts):
            warnings.append(Problem(f"{path}.model.id", f"{difference}"))
        warnings += [
            Problem(f"{path}.model", f"{component.facts.id} on {instance.name}: {note}")
            for instance in endpoint.instances
            for note in format_notes(component.facts.architecture, instance.gpu, split_on(component, instance))
        ]
    return pack_endpoint(
        endpoint=endpoint, plans=plans, prices=prices, where=where, problems=problems, warnings=warnings
    )


def _plan_component(
    *,
    request: FleetRequest,
    component: ComponentRequest,
    instance: GpuInstance,
    price: Price | None,
) -> ComponentPlan:
    model = component.facts.architecture
    context = context_of(component)
    notes = []
    split = split_on(component, instance)
    memory = memory_of(component, instance.gpu, split)
    concurrency = component.slo.at_concurrency if component.slo else DEFAULT_CONCURRENCY
    prediction = None
    load_question = question(component, instance, split, concurrency=concurrency)
    if model.kv_known:
        (prediction,) = answer([load_question], using=fitted_of(component.calibration))
        notes += list(prediction.notes)
        if not component.generates:
            notes.append(NO_DECODING)
            prediction = dataclasses.replace(prediction, tpot_ms=None)
    alternatives: tuple[Alternative, ...] = ()
    if model.kv_known:  # without a latency objective, the types that the model fits on
        slo = component.slo or Slo.model_construct(at_concurrency=concurrency)
        alternatives = cheapest_fast_enough(component, slo, context, request.region, request.prices)
    copies = instance.gpu_count // split.gpus if split.gpus <= instance.gpu_count else 0
    rate = prediction.output_tok_s_per_gpu if prediction and prediction.fits else None
    tokens = None
    if price is not None and prediction is not None and prediction.fits:
        usd = copy_usd_per_hour(price, instance, split.gpus)
        tokens = prices_of(component, prediction, usd_per_hour=usd, gpus=split.gpus)
    requests = memory.requests(context) * split.groups
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
        start_up=start_up(
            component.facts.weights_gib * GIB / 1e9,
            instance,
            prefill_graphs=component.engine.prefill_graphs and component.pp_size == 1,
        ),
        ttft_ms=prediction.ttft_ms if rate and prediction else None,
        tpot_ms=prediction.tpot_ms if rate and prediction else None,
        output_tok_s=type(rate)(value=rate.value * split.gpus, low=rate.low * split.gpus, high=rate.high * split.gpus)
        if rate and component.generates
        else None,
        usd_per_million_input_tokens=tokens.input if tokens else None,
        usd_per_million_output_tokens=tokens.output if tokens and component.generates else None,
        options={
            "mem_fraction_static": round(memory.fraction, 3),
            "max_running_requests": max(
                1, int(memory.requests(component.input_tokens + component.output_tokens)) * split.groups
            ),
            "context_length": context,
        },
        alternatives=alternatives,
        notes=tuple(notes),
        images_note=component.images_note,
        facts_source=component.facts.source,
        facts_date=component.facts.date,
        facts_file=component.facts.file,
        host=plan_host(component, memory, gpus=split.gpus),
        disk=plan_disk(component, instance, gpus=split.gpus),
        speculation=outlook(
            load_question, concurrency=concurrency / split.replicas, using=fitted_of(component.calibration)
        ),
        memory_line=memory_line(component, instance, split, memory, context),
    )


def _slo_problems(component: ComponentRequest, instance: GpuInstance, plan: ComponentPlan, path: str) -> list[Problem]:
    slo, problems = component.slo, list[Problem]()
    if slo is None:
        return problems
    for name, objective_ms, band in (
        ("ttft_ms", slo.ttft_ms, plan.ttft_ms),
        ("tpot_ms", slo.tpot_ms, plan.tpot_ms),
    ):
        if objective_ms is not None and band is not None and band.low > objective_ms:
            problems.append(
                Problem(
                    f"{path}.slo.{name}",
                    f"{objective_ms:g} ms asked, {band.value:.0f} ms ({band.low:.0f} to {band.high:.0f}) expected on "
                    f"{instance.name} at {slo.at_concurrency:g} requests in flight per copy; allow more, ask for fewer in flight, or use a "
                    "faster instance",
                )
            )
    return problems
