"""Constructs that a stack has once."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.serving.shared.singletons import singleton


def test_a_stack_has_one_and_another_stack_its_own() -> None:
    app = cdk.App()
    stacks = [cdk.Stack(app, name) for name in ("One", "Other")]
    inside = Construct(stacks[0], "Inside")
    first = singleton(inside, "Shared", Construct, Construct)
    assert first.node.path == "One/Shared"
    assert singleton(stacks[0], "Shared", Construct, lambda *_: Construct(stacks[0], "Never")) is first
    assert singleton(stacks[1], "Shared", Construct, Construct).node.path == "Other/Shared"
