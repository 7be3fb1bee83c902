"""What every stack of an environment is given besides its settings."""

from __future__ import annotations

from typing import TypedDict

import aws_cdk as cdk


class StackOptions(TypedDict, total=False):
    """Passed on to `cdk.Stack`."""

    stack_name: str
    env: cdk.Environment
