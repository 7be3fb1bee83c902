"""`cdk-sglang init`: three fleets that meet the requirements, and the environment file of one of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated, Final

import typer
from rich.table import Table

from cdk_sglang.cli.environment_option import env_option, environments_option, shown_env
from cdk_sglang.cli.init.answers import DEFAULT_REGION, Answers, ask_for_rest
from cdk_sglang.cli.init.checks import check
from cdk_sglang.cli.init.drafts import SHOWN, Draft, drafts_of, wish_of
from cdk_sglang.cli.init.outside import save_unknown
from cdk_sglang.cli.models import HUB
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import write_text
from cdk_sglang.cli.synth import has_app
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.wish import Wish

_COLUMNS: Final = ("instances", "a copy takes", "copies", "$/hour", "TTFT ms", "TPOT ms", "up to")
_TABLE_WIDTH: Final = 120
"""Width of the table in characters; a narrower terminal gets lines."""


def init(
    env: Annotated[str | None, env_option("Name of the environment to write.", is_new=True)] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model, by its id, for example Qwen/Qwen3-8B.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="config.json of a model outside the catalogue; it is saved.")
    ] = None,
    fetch: Annotated[
        bool | None,
        typer.Option(
            "--fetch/--no-fetch", help="Read the config.json of a model outside the catalogue from Hugging Face."
        ),
    ] = None,
    hub: Annotated[str, typer.Option("--hub", envvar="HF_ENDPOINT", help="Address of Hugging Face.")] = HUB,
    users: Annotated[
        int | None, typer.Option("--users", help="Active users in the busiest hour; each sends one request a minute.")
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option("--requests-per-second", help="Requests in the busiest hour, instead of --users.")
    ] = None,
    input_tokens: Annotated[
        float | None, typer.Option("--input-tokens", help="Mean tokens of a prompt; 1,024 by default.")
    ] = None,
    output_tokens: Annotated[
        float | None, typer.Option("--output-tokens", help="Mean tokens of an answer; 256 by default.")
    ] = None,
    context_length: Annotated[
        int | None,
        typer.Option(
            "--context-length", help="Tokens of the longest request, answer included; four times the mean by default."
        ),
    ] = None,
    ttft_ms: Annotated[
        float | None, typer.Option("--ttft-ms", help="Maximum mean time to the first token, in milliseconds.")
    ] = None,
    tpot_ms: Annotated[
        float | None, typer.Option("--tpot-ms", help="Maximum mean time per further token, in milliseconds.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", help="Maximum cost of the busiest hour, in dollars.")
    ] = None,
    to_zero: Annotated[
        bool | None, typer.Option("--to-zero/--no-to-zero", help="Remove the last copy when there are no requests.")
    ] = None,
    hours: Annotated[
        str | None, typer.Option("--hours", help="Hours with callers, for example 07:30-19:00; zero copies outside.")
    ] = None,
    days: Annotated[
        str | None, typer.Option("--days", help="Days on which the hours apply; mon-fri by default.")
    ] = None,
    time_zone: Annotated[str, typer.Option("--time-zone", help="IANA time zone of the hours.")] = "UTC",
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            help="Commit on Hugging Face that the first deployment copies; without it, you upload the files.",
        ),
    ] = None,
    token_secret: Annotated[
        str | None, typer.Option("--token-secret", help="Secret with a Hugging Face token, for that copy.")
    ] = None,
    adapters: Annotated[int | None, typer.Option("--adapters", help="LoRA adapters that callers choose among.")] = None,
    adapter_rank: Annotated[
        int | None, typer.Option("--adapter-rank", help="Largest rank of an adapter; 16 by default.")
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", help="The only instance type to propose, such as ml.p5en.48xlarge.")
    ] = None,
    pool: Annotated[
        bool, typer.Option("--pool", help="Use further instance types when the first has no capacity.")
    ] = False,
    training_plan: Annotated[
        str | None,
        typer.Option("--training-plan", help="ARN of reserved capacity; with --instance, --count and --until."),
    ] = None,
    count: Annotated[int | None, typer.Option("--count", help="Number of instances of the training plan.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Day until which the training plan must last, such as 2027-03-01.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="Region of the fleet; us-east-1 by default.")] = None,
    endpoint: Annotated[str, typer.Option("--endpoint", help="Name of the endpoint.")] = "chat",
    choose: Annotated[
        int | None,
        typer.Option("--choose", min=1, max=SHOWN, help="Proposal to write; asked for at a terminal, else 1."),
    ] = None,
    environments: Annotated[Path, environments_option()] = ENVIRONMENTS,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the environment's file.")] = False,
) -> None:
    """Write an environment from what you know of model and callers: three proposals by price, planned as `plan` plans them.

    At a terminal, it asks for what is not given.
    """
    answers = Answers(
        env=env,
        model=model,
        users=users,
        requests_per_second=requests_per_second,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        context_length=context_length,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
        budget=budget,
        to_zero=to_zero,
        hours=hours,
        days=days,
        time_zone=time_zone,
        region=region,
        revision=revision,
        token_secret=token_secret,
        instance=instance,
        pool=pool,
        training_plan=training_plan,
        count=count,
        until=until,
        adapters=adapters,
        adapter_rank=adapter_rank,
    )
    if has_terminal():
        ask_for_rest(answers)
    check(answers)
    name = str(answers.env)
    file = environments / f"{name}.yaml"
    if file.exists() and not force:
        raise ConfigurationError([Problem("--env", f"{file} exists; name another, or give --force to overwrite it")])
    save_unknown(answers, config=config, fetch=fetch, hub=hub, folder=environments, may_ask=has_terminal())
    wish = wish_of(answers, region=answers.region or DEFAULT_REGION, folder=environments)
    drafts = drafts_of(wish, answers, name=name, endpoint=endpoint, folder=environments)
    _show(wish, drafts)
    number = choose or (_ask_number(len(drafts)) if has_terminal() and len(drafts) > 1 else 1)
    if number > len(drafts):
        raise ConfigurationError([Problem("--choose", f"{number} is not there; there are {len(drafts)}")])
    chosen = drafts[number - 1]
    write_text(file, chosen.text, option="--env")
    for warning in chosen.warnings:
        typer.echo(f"warning: {warning}", err=True)
    named = shown_env(name, environments)
    deploy = f"make deploy ENV={named}"
    if not has_app():
        deploy = (
            f"and in a checkout of cdk-sglang: cdk-sglang deploy --env {name} --environments {environments.resolve()}"
        )
    typer.echo(
        f"wrote {file}; next: cdk-sglang plan --env {named}, cdk-sglang doctor --env {named} with your AWS credentials, {deploy}"
    )


def has_terminal() -> bool:
    """Return whether there is a terminal to ask at."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _show(wish: Wish, drafts: Sequence[Draft]) -> None:
    out = stdout()
    out.print(
        f"{wish.facts.id}: {wish.requests_per_second:.3g} requests a second, {wish.input_tokens:,.0f} tokens in and "
        f"{wish.output_tokens:,.0f} out, at most {wish.context_length:,}; prices of {wish.region}",
        soft_wrap=True,
    )
    rows = [_row(draft) for draft in drafts]
    if out.width >= _TABLE_WIDTH:
        table = Table("", *_COLUMNS)
        for number, row in enumerate(rows, start=1):
            table.add_row(str(number), *row)
        out.print(table)
    else:
        for number, row in enumerate(rows, start=1):
            out.print(f"{number}: {row[0]}", soft_wrap=True)
            for name, cell in zip(_COLUMNS[1:], row[1:], strict=True):
                out.print(f"   {name}: {cell}", soft_wrap=True)
    out.print("in the busiest hour; ranges hold the measured value in 8 of 10 configurations", soft_wrap=True)
    for number, draft in enumerate(drafts, start=1):
        if not draft.proposal.certain:
            out.print(
                f"{number}: the latency is met by the mean predicted, not by the end of its range", soft_wrap=True
            )


def _row(draft: Draft) -> tuple[str, ...]:
    """Return the cells of a proposal."""
    proposal = draft.proposal
    instead = f" (or {', '.join(draft.stand_ins)})" if draft.stand_ins else ""
    ttft, tpot = proposal.ttft_ms, proposal.tpot_ms
    return (
        f"{proposal.instances} x {proposal.instance}{instead}",
        f"{proposal.tp_size} x {GpuInstance.named(proposal.instance).gpu.name}",
        str(proposal.copies),
        f"{proposal.usd_per_hour:,.2f}{' (estimate)' if proposal.price.is_estimate else ''}",
        f"{ttft.value:,.0f} ({ttft.low:,.0f}-{ttft.high:,.0f})",
        "none" if tpot is None else f"{tpot.value:,.0f} ({tpot.low:,.0f}-{tpot.high:,.0f})",
        f"{proposal.requests_per_second:,.3g}/s",
    )


def _ask_number(most: int) -> int:
    while True:
        number: int = typer.prompt(f"Which one (1 to {most})", default=1, type=int, err=True)
        if 1 <= number <= most:
            return number
