"""cfn-lint, run in this process so that its rules are loaded once for all templates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from cfnlint.core import get_rules
from cfnlint.rules import RulesCollection

IGNORED: Final = {
    "W3005": "CDK states dependencies that a reference implies already: https://github.com/aws/aws-cdk/issues/24578",
}
"""Ignored rules with their reasons."""

_FALLBACK_REGION: Final = "us-east-1"
"""Region of stacks whose Region the CLI decides."""


def findings(template: str, *, region: str) -> list[tuple[str, str]]:
    """Return rule and message of each finding of cfn-lint in a template.

    Args:
        template: Text of the template.
        region: Region of the stack; "unknown-region" if it is not known at synth.
    """
    regions = [_FALLBACK_REGION if region.startswith("unknown") else region]
    matches = lint(
        template, rules=_rules(), regions=regions, config=ManualArgs(regions=regions, ignore_checks=list(IGNORED))
    )
    return [(match.rule.id, f"{_place(match.path)}: {match.message}") for match in matches]


def _place(path: Sequence[str | int] | None) -> str:
    return ".".join(str(part) for part in path or []) or "template"


@cache
def _rules() -> RulesCollection:
    return get_rules(append_rules=[], ignore_rules=list(IGNORED), include_rules=[])
