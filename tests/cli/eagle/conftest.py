"""The world of these tests, on a driven clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cdk_sglang.cli.eagle import update
from localcloud.aws.compute import functions
from tests.support.eagle_world import World


@pytest.fixture
def world(driven: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(clock=driven, monkeypatch=monkeypatch)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(update, "_sleep", driven.advance)
    iam = world.client("iam")
    role = iam.create_role(RoleName="f", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    world.client("lambda").create_function(
        FunctionName="ask", Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": b"-"}
    )

    def ask(_: Any, event: str) -> functions.Outcome:
        """Stand-in for the function that keeps the question's token."""
        request = json.loads(event)
        world.put(f"runs/{request['state']['run']}/approval.json", {"schema": 1, "token": request["token"]})
        return functions.Outcome("{}")

    before = functions.use_runner(ask)
    yield world
    functions.use_runner(before)
