"""CDK's own validation with our Guard rules, over template files: the engine of every synth, without an app."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import jsii

from stacks.checks import GUARD_RULES, cloudformation_validation

_ACCOUNT: Final = "111122223333"
_REGION: Final = "us-east-1"


def findings(template: Path) -> list[tuple[str, str]]:
    """Return rule and message of every finding; warnings too, since they fail a synth under cdk.json's flags."""
    report = _engine().validate(_Templates([template]))
    return [
        (violation.rule_name, f"{resource.resource_logical_id or 'template'}: {violation.description}")
        for violation in report.violations
        for resource in violation.violating_resources
    ]


@cache
def guard_rules() -> tuple[str, ...]:
    """Return the names of our own rules, in their file's order."""
    return tuple(re.findall(r"^rule (\w+)", GUARD_RULES.read_text(encoding="utf-8"), flags=re.MULTILINE))


@cache
def _engine() -> cdk.CloudFormationValidatePlugin:
    return cloudformation_validation()


@cache
def _app() -> cdk.App:
    return cdk.App()


@jsii.implements(cdk.IPolicyValidationContext)
class _Templates:
    """Context of a validation plugin without an app: template files alone."""

    def __init__(self, templates: Sequence[Path]) -> None:
        self._templates = [str(template.resolve()) for template in templates]

    @property
    def template_paths(self) -> list[str]:
        return self._templates

    @property
    def stack_templates(self) -> list[cdk.PolicyValidationStack]:
        return [
            cdk.PolicyValidationStack(
                stack_construct_path=path, template_path=path, account_id=_ACCOUNT, region=_REGION
            )
            for path in self._templates
        ]

    @property
    def account_id(self) -> str:
        return _ACCOUNT

    @property
    def region(self) -> str:
        return _REGION

    @property
    def app_construct(self) -> cdk.App:
        return _app()
