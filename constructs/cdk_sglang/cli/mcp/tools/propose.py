"""`propose_fleet`: turn what a person knows about the callers into environments that serve them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from cdk_sglang.cli.mcp.tool import Band, Region, Text, Tool, band, bounded
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.cli.init.drafts import Draft

_WARNINGS: Final = 5


class Wish(Spec):
    """What is known about a model and its callers, in the busiest hour."""

    model: Text
    """Id of the model, such as Qwen/Qwen3-8B; list_models has them."""

    users: int | None = None
    """Active users; each is assumed to send one request a minute. Either this or requests_per_second."""

    requests_per_second: float | None = None
    """Requests per second, instead of users."""

    input_tokens: float | None = None
    """Mean tokens of a prompt; 1,024 by default."""

    output_tokens: float | None = None
    """Mean tokens of an answer; 256 by default."""

    context_length: int | None = None
    """Tokens of the longest request, answer included; four times the mean by default."""

    ttft_ms: float | None = None
    """Mean milliseconds to the first token, at most; any by default."""

    tpot_ms: float | None = None
    """Mean milliseconds per further token, at most; any by default."""

    budget: float | None = None
    """Maximum cost of the busiest hour, in US dollars; no limit by default."""

    to_zero: bool | None = None
    """Whether the last copy is removed when there are no requests; the next caller then waits minutes."""

    hours: Text | None = None
    """Hours with callers, such as 07:30-19:00; there are zero copies outside."""

    days: Text | None = None
    """Days of the hours, such as mon-fri, which is the default."""

    time_zone: Text = "UTC"
    """IANA time zone of the hours."""

    revision: Text | None = None
    """Commit on Hugging Face that the first deployment copies; without it, a person uploads the files."""

    token_secret: Text | None = None
    """Secret with a Hugging Face token, for that copy."""

    adapters: int | None = None
    """LoRA adapters that callers choose among; none by default."""

    adapter_rank: int | None = None
    """Largest rank of an adapter; 16 by default."""

    instance: Text | None = None
    """The only instance type to propose; every one by default."""

    pool: bool = False
    """Whether further instance types are used when the first has no capacity."""

    training_plan: Text | None = None
    """ARN of reserved capacity that a person has bought; with instance, count and until."""

    count: int | None = None
    """Number of instances of the training plan."""

    until: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    """Day until which the training plan must last, such as 2027-03-01."""

    region: Region = "us-east-1"
    """Region of the fleet and of its prices."""

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")] = "proposed"
    """Name of the environment that is checked."""

    endpoint: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")] = "chat"
    """Name of the endpoint in it."""


class ProposalRow(Spec):
    """Copies of the model on one instance type that serve the busiest hour."""

    instance: str
    """Instance type."""

    instances: int
    """Instances in the busiest hour."""

    gpu: str
    """Its GPUs."""

    tp_size: int
    """GPUs of a copy."""

    copies: int
    """Copies in the busiest hour."""

    usd_per_hour: float
    """US dollars of the busiest hour."""

    price_is_estimate: bool
    """Whether the price was inferred from another Region or service."""

    ttft_ms: Band
    """Mean milliseconds to the first token then."""

    tpot_ms: Band | None
    """Mean milliseconds per further token then; null of a model that generates no tokens."""

    concurrency: int
    """Requests in flight per copy then."""

    requests_per_second: float
    """Requests per second that all copies can serve within the requested latency."""

    upper_ends_meet_the_latency: bool
    """Whether the upper ends of the bands meet the requested latency, or only the means."""

    environment_text: str
    """YAML of an environment with this proposal; it has been checked and planned."""

    warnings: list[str]
    """The warnings of its plan."""


class Proposals(Spec):
    """Up to three fleets, the cheapest first, one per kind of GPU."""

    model: str
    """Id of the model."""

    requests_per_second: float
    """Requests per second that were asked for."""

    context_length: int
    """Tokens of the longest request."""

    proposals: list[ProposalRow]
    """The fleets."""

    next_step: str
    """What to do with them."""


def _propose(query: Wish, workspace: Workspace) -> Proposals:
    from cdk_sglang.cli.init.answers import Answers
    from cdk_sglang.cli.init.checks import check
    from cdk_sglang.cli.init.drafts import drafts_of, wish_of

    others = {"region", "environment", "endpoint"}
    fields = {name: getattr(query, name) for name in Wish.model_fields if name not in others}
    answers = Answers(env=query.environment, **fields)
    check(answers)
    folder = workspace.environments()
    wish = wish_of(answers, region=query.region, folder=folder)
    drafts = drafts_of(wish, answers, name=query.environment, endpoint=query.endpoint, folder=folder)
    return Proposals(
        model=wish.facts.id,
        requests_per_second=wish.requests_per_second,
        context_length=wish.context_length,
        proposals=[_row(draft) for draft in drafts],
        next_step=(
            f"let the user choose; save environment_text as {folder / query.environment}.yaml, and call check_environment after every change of it"
        ),
    )


def _row(draft: Draft) -> ProposalRow:
    from cdk_sglang.hardware import GpuInstance

    proposal = draft.proposal
    ttft, tpot = band(proposal.ttft_ms), band(proposal.tpot_ms)
    assert ttft is not None
    warnings, _ = bounded(draft.warnings, _WARNINGS)
    return ProposalRow(
        instance=proposal.instance,
        instances=proposal.instances,
        gpu=GpuInstance.named(proposal.instance).gpu.name,
        tp_size=proposal.tp_size,
        copies=proposal.copies,
        usd_per_hour=proposal.usd_per_hour,
        price_is_estimate=proposal.price.is_estimate,
        ttft_ms=ttft,
        tpot_ms=tpot,
        concurrency=proposal.concurrency,
        requests_per_second=proposal.requests_per_second,
        upper_ends_meet_the_latency=proposal.certain,
        environment_text=draft.text,
        warnings=warnings,
    )


PROPOSE_FLEET: Final = Tool(
    name="propose_fleet",
    title="Propose fleets for requirements",
    description=(
        "Turns a model, its callers (users or requests per second), latency and budget into up to three fleets by price, each with an "
        "environment file that has been checked and planned. Use it first when somebody wants to serve a model. It writes nothing."
    ),
    takes=Wish,
    gives=Proposals,
    answer=_propose,
)
