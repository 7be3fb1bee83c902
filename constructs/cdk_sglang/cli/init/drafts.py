"""Environments for a set of requirements: proposals with their files, reduced to those that may be deployed."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.init.answers import Answers
from cdk_sglang.cli.init.environment_file import environment_text
from cdk_sglang.cli.init.pools import POOL_TYPES, stand_ins
from cdk_sglang.cli.own import own_models, own_prices
from cdk_sglang.cli.plan import environment_reader
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance, pool_region_problems
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning.fleet_request import FleetRequest
from cdk_sglang.planning.own import MODELS, PRICES
from cdk_sglang.planning.plan import plan_fleet
from cdk_sglang.planning.proposals import Proposal, propose
from cdk_sglang.planning.wish import Wish

SHOWN: Final = 3
"""Proposals that are shown."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A proposal whose environment has been planned.

    Args:
        proposal: The proposal.
        text: Its environment file.
        warnings: Warnings of the plan.
        stand_ins: Instance types that are used when that of the proposal has no capacity.
    """

    proposal: Proposal
    text: str
    warnings: tuple[str, ...]
    stand_ins: tuple[str, ...] = ()


def wish_of(answers: Answers, *, region: str, folder: Path) -> Wish:
    """Return the requirements, from answers that have been checked.

    Args:
        answers: The answers.
        region: Region of the fleet.
        folder: Folder of the environments, next to which the user's models and prices are.

    Raises:
        ConfigurationError: The model or instance type is unknown, the model's longest request shorter than the one asked for, or
            the Region has no instance pools or is not the training plan's.
    """
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
    instance = _instance(answers)
    raise_if_any(_region_problems(answers, region))
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
        instance=instance,
        instances_max=answers.count,
        lora_slots=answers.adapter_slots,
        lora_rank=answers.rank,
    )


def _region_problems(answers: Answers, region: str) -> Iterator[Problem]:
    """Return the problems of the Region: it is not the training plan's, or has no instance pools."""
    if answers.training_plan is not None:
        there = answers.training_plan.split(":")[3:4]
        if there and there != [region]:
            yield Problem(
                "--training-plan", f"the plan is of {there[0]}, the fleet of {region}; give --region {there[0]}"
            )
    if answers.pool:
        yield from (Problem("--pool", problem) for problem in pool_region_problems(region))


def _instance(answers: Answers) -> GpuInstance | None:
    if answers.instance is None:
        return None
    try:
        return GpuInstance.named(answers.instance)
    except ConfigurationError as error:
        raise ConfigurationError([Problem("--instance", problem.text) for problem in error.problems]) from None


def drafts_of(wish: Wish, answers: Answers, *, name: str, endpoint: str, folder: Path) -> list[Draft]:
    """Return the first proposals whose environment may be deployed, as the app itself plans it.

    Args:
        wish: What is wished.
        answers: The answers that it was made from.
        name: Name of the environment.
        endpoint: Name of the endpoint.
        folder: Folder of the environments.

    Raises:
        ConfigurationError: There is none; the problem names the nearest one.
    """
    proposals = propose(wish)
    if proposals.problem is not None:
        raise ConfigurationError([proposals.problem])
    drafts: list[Draft] = []
    refused: list[Problem] = []
    for proposal in proposals.ranked:
        text = environment_text(wish, answers, proposal, endpoint=endpoint)
        problems, warnings = planned(text, name=name, folder=folder)
        if problems:
            refused = refused or list(problems)
            continue
        draft = Draft(proposal=proposal, text=text, warnings=warnings)
        if answers.pool:
            draft = _with_pool(draft, wish, answers, name=name, endpoint=endpoint, folder=folder)
        drafts.append(draft)
        if len(drafts) == SHOWN:
            break
    if not drafts:
        raise ConfigurationError(refused)
    return drafts


def _with_pool(draft: Draft, wish: Wish, answers: Answers, *, name: str, endpoint: str, folder: Path) -> Draft:
    """Return a draft with the additional instance types that the plan accepts, or with a warning that there is none."""
    proposal, best = draft.proposal, draft
    for candidate in stand_ins(wish, proposal):
        types = (*best.stand_ins, candidate)
        text = environment_text(wish, answers, proposal, endpoint=endpoint, stand_ins=types)
        problems, warnings = planned(text, name=name, folder=folder)
        if not problems:
            best = Draft(proposal=proposal, text=text, warnings=warnings, stand_ins=types)
        if len(best.stand_ins) == POOL_TYPES - 1:
            break
    if not best.stand_ins:
        alone = f"no other instance type carries what {proposal.instance} does for what was asked, so it is no pool"
        return Draft(proposal=proposal, text=draft.text, warnings=(*draft.warnings, alone))
    return best


def request_of_text(text: str, *, name: str, folder: Path, command: str) -> FleetRequest:
    """Return the fleet of an environment that is no file yet; it is written to a folder of its own, next to the user's models and prices.

    Args:
        text: The environment file.
        name: Name of the environment.
        folder: Folder of the environments, next to which the user's models and prices are.
        command: Who asks; begins the problem of an app whose reader takes no folder.

    Raises:
        ConfigurationError: The settings are wrong; the problems name no file.
    """
    reader = environment_reader()
    if "folder" not in inspect.signature(reader).parameters:
        raise ConfigurationError(
            [Problem(command, "this app's reader of environments takes no folder; give it an argument `folder`")]
        )
    with tempfile.TemporaryDirectory() as place:
        own = Path(place)
        for kept in (MODELS, PRICES):
            if (folder / kept).exists():
                (own / kept).symlink_to((folder / kept).resolve())
        (own / f"{name}.yaml").write_text(text, encoding="utf-8")
        try:
            return reader(name, folder=own)
        except ConfigurationError as error:
            raise ConfigurationError(
                Problem(one.path.removeprefix(f"{own}/").removeprefix(f"{name}.yaml"), one.text.replace(f"{own}/", ""))
                for one in error.problems
            ) from None


def planned(text: str, *, name: str, folder: Path) -> tuple[Sequence[Problem], tuple[str, ...]]:
    """Return the problems of an environment, and the warnings of its plan.

    Args:
        text: The environment's file.
        name: Its name.
        folder: Folder of the environments, with the user's own models and prices.
    """
    try:
        plan = plan_fleet(request_of_text(text, name=name, folder=folder, command="init"))
    except ConfigurationError as error:
        return error.problems, ()
    return plan.problems, plan.warnings
