"""The text of an environment file, with a comment for each choice."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cdk_sglang.hardware import GpuInstance

if TYPE_CHECKING:
    from cdk_sglang.cli.init.answers import Answers
    from cdk_sglang.planning.proposals import Proposal
    from cdk_sglang.planning.wish import Wish

_PLAIN: Final = re.compile(r"[A-Za-z0-9][\w./-]*")


def component_name(model_id: str) -> str:
    """Return a short name for a component: the family of its model, such as llama, gpt-oss or qwen.

    Args:
        model_id: Id of the model.
    """
    words = re.split(r"[-_.]", model_id.rsplit("/", maxsplit=1)[-1].lower())
    family = []
    for word in words:
        letters = re.match(r"[a-z]*", word)[0]  # type: ignore[index]  # it matches the empty text too
        if letters:
            family.append(letters)
        if letters != word:
            break
    return "-".join(family[:2]) or "model"


def environment_text(
    wish: Wish, answers: Answers, proposal: Proposal, *, endpoint: str, stand_ins: Sequence[str] = ()
) -> str:
    """Return the file.

    Args:
        wish: What was asked.
        answers: The answers that it was made from.
        proposal: What is to be deployed.
        endpoint: Name of the endpoint.
        stand_ins: Instance types that are used when that of the proposal has no capacity.
    """
    gpu = GpuInstance.named(proposal.instance).gpu.name
    model = wish.facts.id
    lines = [
        "# yaml-language-server: $schema=schema.json",
        f"# {model} for {wish.requests_per_second:.3g} requests a second in the busiest hour, written by cdk-sglang init.",
        *_account(answers),
        f"region: {wish.region}",
        "network: {vpc: create} # without a way to the internet",
    ]
    if wish.budget_usd_per_hour is not None:
        lines.append(
            f"budget_usd_per_hour: {wish.budget_usd_per_hour:g} # the synth refuses a fleet that may cost more"
        )
    lines += [
        *_image(answers),
        "endpoints:",
        f"  {endpoint}:",
        *_capacity(answers, proposal, stand_ins),
        "    components:",
        f"      {component_name(model)}:",
        *_model(model, answers),
        f"        # A copy takes {proposal.tp_size} x {gpu}.",
        *_server(wish, answers, proposal),
        f"        load: {{input_tokens: {wish.input_tokens:g}, output_tokens: {wish.output_tokens:g}}} # mean request, as expected",
        *_scaling(answers, proposal),
        *_slo(wish, proposal),
    ]
    return "\n".join([*lines, ""])


def _account(answers: Answers) -> list[str]:
    """Return the line of the account, to which a training plan belongs."""
    account = (answers.training_plan or "").split(":")[4:5]
    return [f"account: {json.dumps(account[0])} # that of the training plan"] if account else []


def _image(answers: Answers) -> list[str]:
    if answers.adapters is None:
        return []
    return [
        "# This project's container, which takes adapters; `cdk-sglang image pin` finds the digest that holds its base fast.",
        'image: {build: {unpinned: "written by cdk-sglang init"}}',
    ]


def _capacity(answers: Answers, proposal: Proposal, stand_ins: Sequence[str]) -> list[str]:
    if answers.training_plan is not None:
        plan = f"training_plan: {answers.training_plan}, type: {proposal.instance}, count: {answers.count}, until: {answers.until}"
        return [
            f"    # {proposal.instances} of the plan's {answers.count} instances in the busiest hour; all are paid for, used or not.",
            f"    capacity: {{reserved: {{{plan}}}}}",
        ]
    cost = f"    # {proposal.instances} x {proposal.price.usd_per_hour:,.2f} $/h in the busiest hour; instances come and go with the copies."
    if not stand_ins:
        return [cost, f"    capacity: {{type: {proposal.instance}, max_instances: {proposal.instances}}}"]
    pool = ", ".join((proposal.instance, *stand_ins))
    return [
        cost,
        "    # Where the first type has no capacity, SageMaker takes the next, at its own price: at most twice the first one's.",
        f"    capacity: {{pool: [{pool}], max_instances: {proposal.instances}}}",
    ]


def _model(model: str, answers: Answers) -> list[str]:
    if answers.revision is None:
        return [
            "        # The files go below this prefix of the bucket that the deployment makes; it waits for them and says how.",
            f"        model: {{id: {_scalar(model)}, prefix: {_scalar(f'weights/{model}/')}}}",
        ]
    # A commit of digits alone would be a number.
    keys = f"hugging_face: {_scalar(model)}, revision: {json.dumps(answers.revision)}"
    secret = "" if answers.token_secret is None else f", token_secret: {_scalar(answers.token_secret)}"
    return [
        "        # The first deployment copies this commit into the bucket that it makes.",
        f"        model: {{{keys}{secret}}}",
    ]


def _server(wish: Wish, answers: Answers, proposal: Proposal) -> list[str]:
    options = f"tp_size: {proposal.tp_size}, context_length: {wish.context_length}"
    if answers.adapters is None:
        return [f"        server: {{{options}}}"]
    held = max(answers.adapters, answers.adapter_slots)  # SGLang holds no fewer than may run at once
    lora = f"max_rank: {answers.rank}, target_modules: [all], max_loras_per_batch: {answers.adapter_slots}, max_loaded_loras: {held}"
    return [
        f"        # Adapters: {answers.adapter_slots - 1} at once in addition to the model alone, {held} kept in host memory.",
        f"        server: {{{options}, lora: {{{lora}}}}}",
        "        # adapters: {billing: {key: adapters/billing.tar.gz}} # by the name that callers use; archives in the bucket",
    ]


def _scaling(answers: Answers, proposal: Proposal) -> list[str]:
    """Return the lines of the copies."""
    copies = "1 copy takes" if proposal.copies == 1 else f"{proposal.copies} copies take"
    why = f"        # {copies} up to {proposal.requests_per_second:.3g} requests a second."
    if answers.hours is not None:
        begins, _, ends = answers.hours.partition("-")
        days = ", ".join(answers.day_list)
        return [
            f"{why} None runs outside the hours unless there is a request.",
            "        scaling:",
            "          min_copies: 0",
            f"          max_copies: {proposal.copies}",
            f"          time_zone: {_scalar(answers.time_zone)}",
            "          schedules:",
            f'            hours: {{days: [{days}], begins: "{begins}", ends: "{ends}", min_copies: 1}}',
        ]
    least = 0 if answers.to_zero else 1
    after = " The first caller after a pause waits minutes for a copy." if answers.to_zero else ""
    if least == proposal.copies:
        return [why]
    return [f"{why}{after}", f"        scaling: {{min_copies: {least}, max_copies: {proposal.copies}}}"]


def _slo(wish: Wish, proposal: Proposal) -> list[str]:
    """Return the lines of the objectives; none if no latency was requested."""
    limits = [
        f"{name}: {limit:g}"
        for name, limit in (("ttft_ms", wish.ttft_ms), ("tpot_ms", wish.tpot_ms))
        if limit is not None
    ]
    if not limits:
        return []
    per_token = "" if proposal.tpot_ms is None else f" and {proposal.tpot_ms.value:,.0f} ms a token"
    expected = f"{proposal.ttft_ms.value:,.0f} ms{per_token} expected"
    return [f"        slo: {{{', '.join(limits)}, at_concurrency: {proposal.concurrency}}} # {expected}"]


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
