"""Options that every stack of an environment gets in addition to its settings."""

from __future__ import annotations

from typing import TypedDict

import aws_cdk as cdk


class StackOptions(TypedDict, total=False):
    """Options that are passed on to `cdk.Stack`."""

    stack_name: str
    env: cdk.Environment
