"""`cdk-sglang init`: three ways to serve a wish, and the environment file of one of them."""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated, Final

import typer
from rich.table import Table

from cdk_sglang.cli.init.answers import Answers, ask_for_rest, check
from cdk_sglang.cli.init.environment_file import environment_text
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import ENVIRONMENTS, own_models, own_prices, write_text
from cdk_sglang.cli.plan import environment_reader
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models.facts import catalogue
from cdk_sglang.planning.own import MODELS, PRICES
from cdk_sglang.planning.plan import plan_fleet
from cdk_sglang.planning.proposals import Proposal, Wish, propose

_SHOWN: Final = 3
"""Proposals that are shown."""
_COLUMNS: Final = ("instances", "a copy takes", "copies", "$/hour", "TTFT ms", "TPOT ms", "up to")
_TABLE_WIDTH: Final = 120
"""Characters that the table takes; a narrower terminal gets lines."""


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A proposal whose environment has been planned.

    Args:
        proposal: The proposal.
        text: Its environment file.
        warnings: What the plan warns of.
    """

    proposal: Proposal
    text: str
    warnings: tuple[str, ...]


def init(
    env: Annotated[str | None, typer.Option("--env", help="Name of the environment to write.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model, by its id, for example Qwen/Qwen3-8B.")] = None,
    users: Annotated[
        int | None, typer.Option("--users", help="Users at work in the busiest hour; each asks once a minute.")
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
        float | None, typer.Option("--ttft-ms", help="Mean milliseconds to the first token, at most.")
    ] = None,
    tpot_ms: Annotated[
        float | None, typer.Option("--tpot-ms", help="Mean milliseconds per further token, at most.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", help="Dollars that the busiest hour may cost, at most.")
    ] = None,
    to_zero: Annotated[
        bool | None, typer.Option("--to-zero/--no-to-zero", help="The last copy goes when nobody asks.")
    ] = None,
    hours: Annotated[
        str | None, typer.Option("--hours", help="Hours with callers, for example 07:30-19:00; to zero outside.")
    ] = None,
    days: Annotated[str | None, typer.Option("--days", help="Days of the hours; mon-fri by default.")] = None,
    time_zone: Annotated[str, typer.Option("--time-zone", help="IANA time zone of the hours.")] = "UTC",
    region: Annotated[str, typer.Option("--region", help="Region of the fleet.")] = "us-east-1",
    endpoint: Annotated[str, typer.Option("--endpoint", help="Name of the endpoint.")] = "chat",
    choose: Annotated[
        int | None,
        typer.Option("--choose", min=1, max=_SHOWN, help="Proposal to write; asked for at a terminal, else 1."),
    ] = None,
    environments: Annotated[
        Path, typer.Option("--environments", help="Folder of environments, with your models and prices.")
    ] = ENVIRONMENTS,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the environment's file.")] = False,
) -> None:
    """Write an environment from what you know of model and callers: three proposals by price, planned as `plan` plans them.

    At a terminal, what is not given is asked.
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
    )
    if has_terminal():
        ask_for_rest(answers)
    check(answers)
    name = str(answers.env)
    file = environments / f"{name}.yaml"
    if file.exists() and not force:
        raise ConfigurationError([Problem("--env", f"{file} exists; name another, or give --force to overwrite it")])
    wish = _wish(answers, region=region, folder=environments)
    drafts = _drafts(wish, answers, name=name, endpoint=endpoint, folder=environments)
    _show(wish, drafts)
    number = choose or (_ask_number(len(drafts)) if has_terminal() and len(drafts) > 1 else 1)
    if number > len(drafts):
        raise ConfigurationError([Problem("--choose", f"{number} is not there; there are {len(drafts)}")])
    chosen = drafts[number - 1]
    write_text(file, chosen.text)
    for warning in chosen.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"wrote {file}; next: cdk-sglang plan --env {name}, cdk-sglang doctor --env {name} with your AWS credentials, make deploy ENV={name}"
    )


def has_terminal() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _wish(answers: Answers, *, region: str, folder: Path) -> Wish:
    try:
        facts = catalogue(str(answers.model), also=own_models(folder=folder))
    except ConfigurationError as error:
        raise ConfigurationError([Problem("--model", problem.text) for problem in error.problems]) from None
    if not facts.architecture.kv_known:
        raise ConfigurationError(
            [
                Problem(
                    "--model", f"how {facts.id} caches is unknown, so nothing can be proposed; write the file by hand"
                )
            ]
        )
    limit = facts.architecture.max_position_embeddings
    if answers.context_length is not None and limit is not None and answers.context_length > limit:
        raise ConfigurationError(
            [
                Problem(
                    "--context-length",
                    f"{answers.context_length:,} is beyond the model's own limit of {limit:,}; give less",
                )
            ]
        )
    return Wish(
        facts=facts,
        requests_per_second=answers.rate,
        input_tokens=answers.input,
        output_tokens=answers.output,
        context_length=answers.context(limit),
        ttft_ms=answers.ttft_ms,
        tpot_ms=answers.tpot_ms,
        budget_usd_per_hour=answers.budget,
        region=region,
        prices=own_prices(folder=folder),
    )


def _drafts(wish: Wish, answers: Answers, *, name: str, endpoint: str, folder: Path) -> list[_Draft]:
    """Return the first proposals whose environment may be deployed, as the app itself plans it."""
    proposals = propose(wish)
    if proposals.problem is not None:
        raise ConfigurationError([proposals.problem])
    drafts: list[_Draft] = []
    refused: list[Problem] = []
    for proposal in proposals.ranked:
        text = environment_text(wish, answers, proposal, endpoint=endpoint)
        problems, warnings = planned(text, name=name, folder=folder)
        if problems:
            refused = refused or list(problems)
            continue
        drafts.append(_Draft(proposal=proposal, text=text, warnings=warnings))
        if len(drafts) == _SHOWN:
            break
    if not drafts:
        raise ConfigurationError(refused)
    return drafts


def planned(text: str, *, name: str, folder: Path) -> tuple[Sequence[Problem], tuple[str, ...]]:
    """Return what speaks against an environment, and what its plan warns of; the file is written to a folder of its own.

    Args:
        text: The environment's file.
        name: Its name.
        folder: Folder of the environments, with models and prices of the user's own.
    """
    reader = environment_reader()
    if "folder" not in inspect.signature(reader).parameters:
        raise ConfigurationError(
            [Problem("init", "this app's reader of environments takes no folder; give it an argument `folder`")]
        )
    with tempfile.TemporaryDirectory() as place:
        own = Path(place)
        for kept in (MODELS, PRICES):
            if (folder / kept).exists():
                (own / kept).symlink_to((folder / kept).resolve())
        (own / f"{name}.yaml").write_text(text, encoding="utf-8")
        try:
            plan = plan_fleet(reader(name, folder=own))
        except ConfigurationError as error:
            return [Problem(one.path, one.text) for one in error.problems], ()
    return plan.problems, plan.warnings


def _show(wish: Wish, drafts: Sequence[_Draft]) -> None:
    out = stdout()
    out.print(
        f"{wish.facts.id}: {wish.requests_per_second:.3g} requests a second, {wish.input_tokens:,.0f} tokens in and "
        f"{wish.output_tokens:,.0f} out, at most {wish.context_length:,}; prices of {wish.region}",
        soft_wrap=True,
    )
    rows = [_row(draft.proposal) for draft in drafts]
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


def _row(proposal: Proposal) -> tuple[str, ...]:
    """Return the cells of a proposal."""
    ttft, tpot = proposal.ttft_ms, proposal.tpot_ms
    return (
        f"{proposal.instances} x {proposal.instance}",
        f"{proposal.tp_size} x {GpuInstance.named(proposal.instance).gpu.name}",
        str(proposal.copies),
        f"{proposal.usd_per_hour:,.2f}{' (estimate)' if proposal.price.is_estimate else ''}",
        f"{ttft.value:,.0f} ({ttft.low:,.0f}-{ttft.high:,.0f})",
        f"{tpot.value:,.0f} ({tpot.low:,.0f}-{tpot.high:,.0f})",
        f"{proposal.requests_per_second:,.3g}/s",
    )


def _ask_number(most: int) -> int:
    while True:
        number: int = typer.prompt(f"Which one (1 to {most})", default=1, type=int, err=True)
        if 1 <= number <= most:
            return number
