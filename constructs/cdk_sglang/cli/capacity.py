"""`cdk-sglang capacity`: find, buy and watch reserved GPU capacity for endpoints (SageMaker training plans).

Buying needs a person at a terminal who types the price; no option replaces the typing.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.offerings import Offering, OfferingRequest, moment, search, table
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.plans import PlanStatus, endpoints_on, find, list_plans, plan_name_problems
from cdk_sglang.errors import Problem

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

app = typer.Typer(help="Reserved GPU capacity for endpoints: offerings, purchase, state.", no_args_is_help=True)

POLL_SECONDS = 30
_sleep = time.sleep

Type = Annotated[str, typer.Option("--type", help="Instance type, such as ml.p5en.48xlarge.")]
Count = Annotated[int, typer.Option("--count", help="Number of instances: 1, 2, 4, 8, 16, 32 or 64.")]
Days = Annotated[int, typer.Option("--days", help="Length in days, 1 to 182.")]
After = Annotated[str | None, typer.Option("--after", help="Earliest start, such as 2027-03-01; now by default.")]
Before = Annotated[str | None, typer.Option("--before", help="Latest end.")]
Region = Annotated[str | None, typer.Option("--region", help="Region; that of your AWS profile by default.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("search")
def search_offerings(
    kind: Type,
    count: Count = 1,
    days: Days = 7,
    after: After = None,
    before: Before = None,
    region: Region = None,
    as_json: Json = False,
) -> None:
    """List the offerings for endpoints with their prices; exit 1 if there are none."""
    request = OfferingRequest.parse(kind, count=count, days=days, after=after, before=before)
    sagemaker = client("sagemaker", region=region)
    offerings = search(sagemaker, request)
    if as_json:
        typer.echo(json.dumps([offering.as_json() for offering in offerings], indent=2))
    elif offerings:
        stdout().print(table(offerings, region=sagemaker.meta.region_name))
    if not offerings:
        _nothing_offered(request)


@app.command("reserve")
def reserve(
    kind: Type,
    name: Annotated[str, typer.Option("--name", help="Name of the plan, up to 64 letters, digits and hyphens.")],
    count: Count = 1,
    days: Days = 7,
    after: After = None,
    before: Before = None,
    offering: Annotated[
        str | None, typer.Option("--offering", help="Id of the offering; asked for by default.")
    ] = None,
    region: Region = None,
) -> None:
    """Buy a plan: show the offerings, and buy once you have typed the price. Paid up front, final, not resizable."""
    request = OfferingRequest.parse(kind, count=count, days=days, after=after, before=before)
    raise_if_any(Problem("--name", problem) for problem in plan_name_problems(name))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("capacity reserve: needs a person at a terminal, who types the price; nothing was bought", code=2)
    sagemaker = client("sagemaker", region=region)
    offerings = search(sagemaker, request)
    if not offerings:
        _nothing_offered(request)
    console = stdout()
    console.print(table(offerings, region=sagemaker.meta.region_name))
    choice = _choice(offerings, offering)
    if not choice.fee:
        fail(f"{choice.id}: AWS states no price for this offering; nothing was bought", code=1)
    console.print(
        f"{choice.count} x {choice.instance} in {sagemaker.meta.region_name}, {moment(choice.start)} to {moment(choice.end)} UTC, for "
        f"{choice.fee} {choice.currency}: paid up front, final, neither resizable nor refundable.",
        soft_wrap=True,
    )
    if _ask(f"Type the price to buy it ({choice.fee}), anything else to stop: ") != choice.fee:
        fail("not the price; nothing was bought", code=1)
    arn = _buy(client("sagemaker", region=region, attempts=1), choice, name)
    typer.echo(f"bought: {arn}")
    typer.echo(_settings(arn, choice))
    typer.echo(f"an endpoint can use it once it is active: cdk-sglang capacity status {name} --wait")


@app.command("status")
def status(  # typer: options are keyword-like on the command line
    plan: Annotated[str | None, typer.Argument(help="Name or ARN of a plan; all plans by default.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the plan is active.")] = False,
    timeout_minutes: Annotated[
        int, typer.Option("--timeout-minutes", min=1, max=1440, help="With --wait: maximum minutes to wait.")
    ] = 60,
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show plans and the endpoints that use them; exit 1 if the named plan is not active."""
    if wait and plan is None:
        raise_if_any([Problem("--wait", "waits for one plan; give its name")])
    sagemaker = client("sagemaker", region=region)
    plans = list_plans(sagemaker) if plan is None else [find(sagemaker, plan)]
    if wait:
        plans = [_wait(sagemaker, plans[0], minutes=timeout_minutes)]
    endpoints_by_plan = endpoints_on(sagemaker) if plans else {}
    now = dt.datetime.now(tz=dt.UTC)
    if as_json:
        typer.echo(
            json.dumps(
                [item.as_json(now) | {"endpoints": endpoints_by_plan.get(item.arn, [])} for item in plans], indent=2
            )
        )
    elif plans:
        stdout().print(_table(plans, endpoints_by_plan, now))
        if plan is not None:
            typer.echo(plans[0].arn)
    else:
        typer.echo("no plans; find one with: cdk-sglang capacity search --type ml.p5en.48xlarge", err=True)
    if plan is not None and plans[0].status != "Active":
        typer.echo(plans[0].explanation, err=True)
        raise typer.Exit(1)


def _wait(sagemaker: SageMakerClient, plan: PlanStatus, *, minutes: int) -> PlanStatus:
    """Describe the plan repeatedly until it is active, has failed, or the time is up."""
    console = Console(stderr=True)
    last_line = ""
    try:
        with console.status(plan.explanation) as progress:
            for left_s in range(minutes * 60, 0, -POLL_SECONDS):
                if plan.status not in {"Pending", "Scheduled"}:
                    return plan
                if plan.status == "Scheduled" and _is_later(plan, seconds=left_s):
                    fail(
                        f"{plan.explanation}; that is longer than --timeout-minutes {minutes}, so the command does not wait",
                        code=1,
                    )
                if not console.is_terminal and plan.explanation != last_line:
                    typer.echo(plan.explanation, err=True)
                    last_line = plan.explanation
                progress.update(plan.explanation)
                _sleep(POLL_SECONDS)
                plan = find(sagemaker, plan.name)
    except KeyboardInterrupt:
        fail(f"stopped waiting; {plan.explanation}", code=1)
    return plan


def _is_later(plan: PlanStatus, *, seconds: int) -> bool:
    return plan.start is not None and plan.start - dt.datetime.now(tz=dt.UTC) > dt.timedelta(seconds=seconds)


def _choice(offerings: list[Offering], offering_id: str | None) -> Offering:
    if offering_id is not None:
        matches = [offering for offering in offerings if offering.id == offering_id]
        if not matches:
            fail(
                f"--offering: {offering_id} is not, or no longer, offered; choose one from the table. Nothing was bought",
                code=1,
            )
        return matches[0]
    if len(offerings) == 1:
        return offerings[0]
    answer = _ask(f"Which one, 1 to {len(offerings)}? ")
    if not answer.isdecimal() or not 1 <= int(answer) <= len(offerings):
        fail(f"{answer!r} is not one of the rows; nothing was bought", code=1)
    return offerings[int(answer) - 1]


def _ask(question: str) -> str:
    try:  # the echo is inside: a reader of the question may press ctrl-C before Python reaches the next line
        typer.echo(question, nl=False)
        answer = sys.stdin.readline()  # not input(): GNU readline can miss a ctrl-C while it starts
    except KeyboardInterrupt:
        answer = ""
    if not answer:
        typer.echo("", err=True)
        fail("stopped; nothing was bought", code=1)
    return answer.strip()


def _buy(sagemaker: SageMakerClient, offering: Offering, name: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    what = "sagemaker:CreateTrainingPlan"
    with failures_of(what):
        try:
            plan = sagemaker.create_training_plan(TrainingPlanName=name, TrainingPlanOfferingId=offering.id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":
                raise
            fail(f"{what}: there is a plan named {name} already; choose another --name. Nothing was bought", code=1)
        except NoCredentialsError:
            raise
        except BotoCoreError as error:  # the request may have arrived
            fail(
                f"{what}: no answer from AWS ({error}), so the plan may have been bought: check with cdk-sglang capacity status {name}",
                code=1,
            )
    return str(plan["TrainingPlanArn"])


def _settings(arn: str, offering: Offering) -> str:
    until = "" if offering.end is None else f", until: {offering.end.astimezone(dt.UTC).date()}"
    return (
        f"capacity: {{reserved: {{training_plan: {arn}, type: {offering.instance}, count: {offering.count}{until}}}}}"
    )


def _nothing_offered(request: OfferingRequest) -> NoReturn:
    fail(request.nothing_offered, code=1)


def _table(plans: list[PlanStatus], endpoints_by_plan: dict[str, list[str]], now: dt.datetime) -> Table:
    rows = Table("plan", "status", "instances", "in use", "start (UTC)", "end (UTC)", "days left", "endpoints")
    for plan in plans:
        left = plan.days_left(now)
        rows.add_row(
            plan.name,
            plan.status + (f" ({plan.message})" if plan.message else ""),
            f"{plan.count} x {plan.instance}",
            "unknown" if plan.in_use is None else str(plan.in_use),
            moment(plan.start),
            moment(plan.end),
            "" if left is None else f"{left:.1f}",
            ", ".join(endpoints_by_plan.get(plan.arn, [])),
        )
    return rows
