"""IAM actions as lists: all of them exist."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from cdk_sglang.serving.shared import permissions

LISTS = {
    name: value
    for name, value in vars(permissions).items()
    if name.isupper() and isinstance(value, tuple) and all(":" in item for item in value)
}


def test_the_lists_are_found() -> None:
    assert {"INVOKE", "PULL_IMAGE", "READ_WEIGHTS", "WRITE_LOGS", "JOIN_NETWORK"} <= set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_every_action_exists(name: str) -> None:
    # cfn-lint carries the actions of every service, generated from AWS's service authorization reference.
    folder = resources.files("cfnlint.data.AdditionalSpecs")
    policies = json.loads(folder.joinpath("Policies.json").read_text(encoding="utf-8"))
    for action in LISTS[name]:
        service, _, verb = action.partition(":")
        assert verb.lower() in {known.lower() for known in policies[service]["Actions"]}, action


@pytest.mark.parametrize("name", LISTS)
def test_actions_stand_once_and_in_order(name: str) -> None:
    assert list(LISTS[name]) == sorted(set(LISTS[name]))
