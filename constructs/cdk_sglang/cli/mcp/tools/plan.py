"""`plan_model` and `check_environment`: whether it fits, how fast it is, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from cdk_sglang.cli.mcp.problems import PROBLEMS_MAX, problem_row
from cdk_sglang.cli.mcp.tool import Band, Count, ProblemRow, Range, Region, Text, Tool, band, bounded, span
from cdk_sglang.cli.mcp.workspace import FILE_MAX_BYTES, Workspace
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.planning.fleet_plan import ComponentPlan, EndpointPlan, FleetPlan

_NOTES: Final = 5
_ALTERNATIVES: Final = 3
_UNSAVED: Final = "unsaved"
"""Name of an environment that is no file yet."""


class PlanModel(Spec):
    """One model on one instance type."""

    model: Text
    """Id of the model, such as Qwen/Qwen3-8B; list_models has them."""

    instance: Text
    """Instance type, such as ml.g6e.2xlarge; list_instances has them."""

    tp_size: Annotated[int, Field(ge=1, le=64)] | None = None
    """GPUs of a copy; by default the minimum that holds the model."""

    context_length: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Tokens of the longest request, answer included; the model's own limit by default."""

    concurrency: float = 16
    """Requests in flight per copy."""

    region: Region = "us-east-1"
    """Region of the prices."""


class CheckEnvironment(Spec):
    """An environment file, or the text of one that is not saved yet."""

    environment: Text | None = None
    """Name, such as dev, or path, such as environments/dev.yaml, below the folder that the server was started in."""

    text: Annotated[str, Field(max_length=FILE_MAX_BYTES)] | None = None
    """YAML of an environment, instead of a file; it cannot extend one."""


class AlternativeRow(Spec):
    """Another instance type on which a component meets the requirements."""

    instance: str
    """Instance type."""

    tp_size: int
    """GPUs of a copy there."""

    usd_per_hour: float
    """US dollars per hour of the instances that the minimum number of copies takes."""

    usd_per_hour_per_copy: float
    """US dollars per hour of a copy's share of its instance."""


class ComponentRow(Spec):
    """What one component does on its first instance type."""

    endpoint: str
    """Its endpoint."""

    component: str
    """Its name."""

    model: str
    """Id of its model."""

    instance: str
    """Instance type that is planned on."""

    gpus_per_copy: int
    """GPUs of a copy."""

    weights_gib_per_gpu: float
    """GiB of weights on the fullest GPU."""

    kv_tokens: int
    """Tokens that the KV cache of a copy holds."""

    context_length: int
    """Longest request that is planned for, answer included."""

    requests_at_context: int
    """Requests of that length that the cache holds."""

    copies_per_instance: int
    """Copies on an instance when nothing else runs on it."""

    min_copies: int
    """Copies that always run."""

    max_copies: int
    """Maximum number of copies."""

    concurrency: float
    """Requests in flight per copy for the times below."""

    ttft_ms: Band | None
    """Mean milliseconds to the first token; null if they cannot be predicted."""

    tpot_ms: Band | None
    """Mean milliseconds per further token."""

    output_tokens_per_second: Band | None
    """Output tokens per second of a copy."""

    usd_per_million_input_tokens: float | None
    """US dollars at the planned load; null without a price."""

    usd_per_million_output_tokens: float | None
    """The same for output tokens."""

    seconds_from_zero: float
    """Seconds from nothing to the first answer, on a new instance."""

    memory: str
    """Why it fits or not, and what limits its requests."""

    notes: list[str]
    """What was assumed."""

    alternatives: list[AlternativeRow]
    """The cheapest instance types that meet the requested latency."""


class EndpointRow(Spec):
    """What one endpoint needs."""

    endpoint: str
    """Its name."""

    instance_types: list[str]
    """Its instance types, first choice first."""

    instances: Range
    """Instances: minimum, typical, maximum."""

    usd_per_hour: Range | None
    """US dollars per hour; null if a price is unknown."""

    price_date: str | None
    """Day of the price of the first type."""

    price_is_estimate: bool
    """Whether that price was inferred from another Region or service."""

    notes: list[str]
    """What an update of it costs."""


class Plan(Spec):
    """The plan of a fleet."""

    environment: str
    """Name of the environment, or of the model."""

    region: str
    """AWS Region."""

    may_be_deployed: bool
    """Whether it may be deployed: everything fits, and meets its latency and its budget."""

    problems: list[ProblemRow]
    """Why it cannot be deployed; empty if it may."""

    more_problems: Count
    """Problems left out."""

    warnings: list[str]
    """Its warnings, which do not prevent a deployment."""

    more_warnings: Count
    """Warnings left out."""

    usd_per_hour: Range | None
    """US dollars per hour of all endpoints; null if a price is unknown."""

    endpoints: list[EndpointRow]
    """Endpoints."""

    more_endpoints: Count
    """Endpoints left out."""

    components: list[ComponentRow]
    """Components of all endpoints."""

    more_components: Count
    """Components left out."""


def plan_answer(plan: FleetPlan, *, environment: str = "") -> Plan:
    """Return a plan as an answer.

    Args:
        plan: The plan.
        environment: Name that the answer has; that of the plan if empty.
    """
    problems, more_problems = bounded(plan.problems, PROBLEMS_MAX)
    warnings, more_warnings = bounded(plan.warnings)
    endpoints, more_endpoints = bounded(plan.endpoints)
    pairs = [(endpoint.name, component) for endpoint in plan.endpoints for component in endpoint.components]
    components, more_components = bounded(pairs, 10)
    return Plan(
        environment=environment or plan.environment,
        region=plan.region,
        may_be_deployed=not plan.problems,
        problems=[problem_row(problem) for problem in problems],
        more_problems=more_problems,
        warnings=warnings,
        more_warnings=more_warnings,
        usd_per_hour=span(plan.usd_per_hour),
        endpoints=[_endpoint_row(endpoint) for endpoint in endpoints],
        more_endpoints=more_endpoints,
        components=[_component_row(name, component) for name, component in components],
        more_components=more_components,
    )


def _endpoint_row(endpoint: EndpointPlan) -> EndpointRow:
    price = endpoint.price
    return EndpointRow(
        endpoint=endpoint.name,
        instance_types=[one.instance for one in endpoint.types],
        instances=Range(low=endpoint.instances.low, typical=endpoint.instances.typical, high=endpoint.instances.high),
        usd_per_hour=span(endpoint.usd_per_hour),
        price_date=None if price is None else str(price.date),
        price_is_estimate=price is not None and price.is_estimate,
        notes=list(endpoint.notes[:_NOTES]),
    )


def _component_row(endpoint: str, component: ComponentPlan) -> ComponentRow:
    return ComponentRow(
        endpoint=endpoint,
        component=component.name,
        model=component.model,
        instance=component.instance,
        gpus_per_copy=component.gpus,
        weights_gib_per_gpu=round(component.memory.weights_gib, 2),
        kv_tokens=component.memory.kv_tokens,
        context_length=component.context_length,
        requests_at_context=component.requests_at_context,
        copies_per_instance=component.copies_per_instance,
        min_copies=component.min_copies,
        max_copies=component.max_copies,
        concurrency=component.concurrency,
        ttft_ms=band(component.ttft_ms),
        tpot_ms=band(component.tpot_ms),
        output_tokens_per_second=band(component.output_tok_s),
        usd_per_million_input_tokens=component.usd_per_million_input_tokens,
        usd_per_million_output_tokens=component.usd_per_million_output_tokens,
        seconds_from_zero=round(component.start_up.from_zero),
        memory=component.memory_line,
        notes=list(component.notes[:_NOTES]),
        alternatives=[
            AlternativeRow(
                instance=one.instance,
                tp_size=one.tp_size,
                usd_per_hour=one.usd_per_hour,
                usd_per_hour_per_copy=one.usd_per_hour_per_copy,
            )
            for one in component.alternatives[:_ALTERNATIVES]
        ],
    )


def _plan_model(query: PlanModel, workspace: Workspace) -> Plan:
    from cdk_sglang.cli.plan import model_request, planned_today

    request: dict[str, Any] = {name: getattr(query, name) for name in PlanModel.model_fields}
    return plan_answer(planned_today(model_request(**request, folder=workspace.environments())))


def _check_environment(query: CheckEnvironment, workspace: Workspace) -> Plan:
    from cdk_sglang.cli.plan import planned_today, read_environment

    if (query.environment is None) == (query.text is None):
        raise ConfigurationError([Problem("environment", "and text say the same; give one of them")])
    if query.environment is not None:
        file = workspace.environment(query.environment)
        return plan_answer(planned_today(read_environment(file.name, file.folder)))
    from cdk_sglang.cli.init.drafts import request_of_text

    folder = workspace.environments()
    request = request_of_text(str(query.text), name=_UNSAVED, folder=folder, command="check_environment")
    return plan_answer(planned_today(request))


PLAN_MODEL: Final = Tool(
    name="plan_model",
    title="Plan one model on one instance type",
    description=(
        "Whether a model fits an instance type, with which GPUs per copy, KV cache, time to first and per further token (with bands), "
        "cost per hour and per million tokens, and start-up time. Use it to compare two or three candidates; use propose_fleet when the "
        "instance type is open."
    ),
    takes=PlanModel,
    gives=Plan,
    answer=_plan_model,
)
CHECK_ENVIRONMENT: Final = Tool(
    name="check_environment",
    title="Check and plan an environment file",
    description=(
        "Every mistake of an environment file (or of the YAML text of one), each with path and next step; without mistakes its plan: does "
        "everything fit, how fast, what does it cost per hour. Use it after every change of an environment, before anything is synthesised."
    ),
    takes=CheckEnvironment,
    gives=Plan,
    answer=_check_environment,
)
