"""Checks of every synth in addition to CDK's own validation: rule packs and the project's own rules, offline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
import cdk_nag

GUARD_RULES: Final = Path(__file__).with_name("rules.guard")


def add_checks(app: cdk.App) -> None:
    """Add cdk-nag's four packs and the project's own Guard rules to the app's validation.

    With `cdk synth --no-validation` (or CDK_VALIDATION=false) nothing is added: the switch would otherwise disable only the
    validation that CDK itself adds.
    """
    if os.environ.get("CDK_VALIDATION") == "false":
        return
    cdk.Validations.of(app).add_plugins(cloudformation_validation(), *nag_packs(app))


def cloudformation_validation() -> cdk.CloudFormationValidatePlugin:
    """Return CDK's own validation with the project's Guard rules.

    An explicit plugin replaces the one that CDK itself adds, and includes its rules, so nothing runs twice.
    """
    rules = cdk.ValidationRuleSource(name=GUARD_RULES.name, content=GUARD_RULES.read_text(encoding="utf-8"))
    return cdk.CloudFormationValidatePlugin(guard_rules=[rules])


def nag_packs(app: cdk.App) -> list[Any]:
    """Return cdk-nag's AwsSolutions, NIST 800-53 R5, HIPAA and PCI DSS 3.2.1 packs."""
    return [
        cdk_nag.AwsSolutionsChecks(app),
        cdk_nag.NIST80053R5Checks(app),
        cdk_nag.HIPAASecurityChecks(app),
        cdk_nag.PCIDSS321Checks(app),
    ]
