"""A wrong value hides no other mistake: what needs none of the wrong values is told in the same round."""

from __future__ import annotations

import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import check, parse
from tools.fuzz.verdicts import drawn

MANY = """
region: us-esat-1
network: {vpc: create, availability_zones: [us-west-2a, use1-az1]}
tags: {Cost: x, cost: y}
routes: {r: [chat/qwen, chat/nope]}
bench: {b: {component: chat/lost}}
endpoints:
  chat:
    capacity: {type: ml.g6e.12xlarge, max_instances: 2}
    components:
      qwen:
        model: {id: Qwen/Qwen3-8B, prefix: weights/q/}
        server: {context_length: 32k}
        scaling: {min_copies: 5, max_copies: 4}
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refused:
        parse(text, source="e.yaml")
    return refused.value.problems


def test_a_wrong_value_and_a_wrong_region_are_told_together() -> None:
    found = {line.removeprefix("e.yaml: ").partition(": ")[0] for line in problems(MANY)}
    assert found >= {
        "region",
        "network.availability_zones",
        "tags.cost",
        "routes.r",
        "endpoints.chat.components.qwen.server.context_length",
        "endpoints.chat.components.qwen.scaling.max_copies",
    }


def test_nothing_is_told_twice() -> None:
    found = problems(MANY)
    assert len(found) == len(set(found))


def test_what_needs_a_wrong_value_waits_for_it() -> None:
    wrong_region = MANY.replace("us-esat-1", "5")
    assert not any("not in region" in line for line in problems(wrong_region))
    wrong_most = MANY.replace("max_copies: 4", "max_copies: four")
    assert not any("min_copies" in line for line in problems(wrong_most))
    wrong_component = MANY.replace("      qwen:", "      Qwen_1:")  # whether chat has a qwen is not known
    assert not any("has no component" in line for line in problems(wrong_component))


def test_an_unknown_key_may_be_a_known_one_misspelt() -> None:
    component = "        rollout: {max_batch: {percent_value: 50}}\n"
    found = problems(f"{MANY}{component}")
    assert any("percent_value: unknown key" in line for line in found)
    assert not any("exactly one of percent and copies" in line for line in found)


def test_mending_a_wrong_value_brings_no_mistake_that_was_told_before_to_an_end() -> None:
    before, after = problems(MANY), problems(MANY.replace("32k", "32768"))
    assert set(before) - set(after) == {line for line in before if "context_length" in line}


def test_any_two_mistakes_end_in_lines() -> None:
    for content in drawn(60):
        for value in ("x", None, 5):
            wrong = {**content, "budget_usd_per_hour": [value], "region": value}
            assert all(line.isprintable() for line in problems_of(wrong))


def problems_of(content: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refused:
        check(content, source="e.yaml")
    return refused.value.problems
