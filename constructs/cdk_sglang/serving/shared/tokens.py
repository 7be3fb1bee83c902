"""Values that only CloudFormation knows: a value that is unknown at synth must not be checked against a limit."""

from __future__ import annotations

import aws_cdk as cdk

from cdk_sglang.errors import Problem
from cdk_sglang.tokens import is_number_token


def is_token(value: object) -> bool:
    """Return whether a text or a number is, or contains, something known only at deployment.

    CDK is called only for values that could be tokens: each call takes about a millisecond.
    """
    if isinstance(value, str):
        return "{Token[" in value and bool(cdk.Token.is_unresolved(value))
    if isinstance(value, int | float):
        return is_number_token(value) and bool(cdk.Token.is_unresolved(value))
    return bool(cdk.Token.is_unresolved(value))


def token_problem(path: str, what: str = "a literal") -> Problem:
    """Return the problem for a value that synth itself needs."""
    return Problem(path, f"must be known at synth, got a token; give {what}")
