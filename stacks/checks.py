"""What every synth is checked against besides CDK's own validation: rule packs and rules of ours, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import aws_cdk as cdk
import cdk_nag

GUARD_RULES: Final = Path(__file__).with_name("rules.guard")


def add_checks(app: cdk.App) -> None:
    """Add cdk-nag's four packs and the project's own Guard rules to the app's validation."""
    cdk.Validations.of(app).add_plugins(
        cdk_nag.AwsSolutionsChecks(app),
        cdk_nag.NIST80053R5Checks(app),
        cdk_nag.HIPAASecurityChecks(app),
        cdk_nag.PCIDSS321Checks(app),
    )
