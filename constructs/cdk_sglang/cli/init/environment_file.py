"""The text of an environment file, with a comment for each choice."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from cdk_sglang.hardware import GpuInstance

if TYPE_CHECKING:
    from cdk_sglang.cli.init.answers import Answers
    from cdk_sglang.planning.proposals import Proposal, Wish

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


def environment_text(wish: Wish, answers: Answers, proposal: Proposal, *, endpoint: str) -> str:
    """Return the file.

    Args:
        wish: What was asked.
        answers: The answers that it was made from.
        proposal: What is to be deployed.
        endpoint: Name of the endpoint.
    """
    gpu = GpuInstance.named(proposal.instance).gpu.name
    model = wish.facts.id
    lines = [
        "# yaml-language-server: $schema=schema.json",
        f"# {model} for {wish.requests_per_second:.3g} requests a second in the busiest hour, written by cdk-sglang init.",
        f"region: {wish.region}",
        "network: {vpc: create} # without a way to the internet",
    ]
    if wish.budget_usd_per_hour is not None:
        lines.append(
            f"budget_usd_per_hour: {wish.budget_usd_per_hour:g} # the synth refuses a fleet that may cost more"
        )
    lines += [
        "endpoints:",
        f"  {endpoint}:",
        f"    # {proposal.instances} x {proposal.price.usd_per_hour:,.2f} $/h in the busiest hour; instances come and go with the copies.",
        f"    capacity: {{type: {proposal.instance}, max_instances: {proposal.instances}}}",
        "    components:",
        f"      {component_name(model)}:",
        "        # The files go below this prefix of the bucket that the deployment makes; it waits for them and says how.",
        f"        model: {{id: {_scalar(model)}, prefix: {_scalar(f'weights/{model}/')}}}",
        f"        # A copy takes {proposal.tp_size} x {gpu}.",
        f"        server: {{tp_size: {proposal.tp_size}, context_length: {wish.context_length}}}",
        f"        load: {{input_tokens: {wish.input_tokens:g}, output_tokens: {wish.output_tokens:g}}} # mean request, as expected",
        *_scaling(answers, proposal),
        *_slo(wish, proposal),
    ]
    return "\n".join([*lines, ""])


def _scaling(answers: Answers, proposal: Proposal) -> list[str]:
    """Return the lines of the copies."""
    copies = "1 copy takes" if proposal.copies == 1 else f"{proposal.copies} copies take"
    why = f"        # {copies} up to {proposal.requests_per_second:.3g} requests a second."
    if answers.hours is not None:
        begins, _, ends = answers.hours.partition("-")
        days = ", ".join(answers.day_list)
        return [
            f"{why} None runs outside the hours unless somebody asks.",
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
    """Return the lines of the promise; none where no latency was asked."""
    limits = [
        f"{name}: {limit:g}"
        for name, limit in (("ttft_ms", wish.ttft_ms), ("tpot_ms", wish.tpot_ms))
        if limit is not None
    ]
    if not limits:
        return []
    expected = f"{proposal.ttft_ms.value:,.0f} ms and {proposal.tpot_ms.value:,.0f} ms a token expected"
    return [f"        slo: {{{', '.join(limits)}, at_concurrency: {proposal.concurrency}}} # {expected}"]


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
