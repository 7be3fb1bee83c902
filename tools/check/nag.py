"""cdk-nag over template files: cdk-nag reads constructs, so each template is included into a stack of its own."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import cloudformation_include as include

from stacks.checks import nag_packs


class Nag:
    """All rule packs, for one template after another. Templates have no acknowledgements, so acknowledged findings are reported too."""

    def __init__(self) -> None:
        self._app = cdk.App(analytics_reporting=False)
        self._packs = nag_packs(self._app)

    def findings(self, template: Path) -> list[str]:
        """Return the violated rules, once per violation; an empty list if CDK cannot read the template."""
        stack = cdk.Stack(self._app, "Template")
        try:
            include.CfnInclude(stack, "Included", template_file=str(template))
            reports = [pack.validate_scope(stack) for pack in self._packs]
        except RuntimeError:  # for example a reference to a missing resource, which other checkers report
            return []
        finally:
            self._app.node.try_remove_child("Template")
        return [
            violation.rule_name
            for report in reports
            for violation in report.violations
            for _ in violation.violating_resources
        ]
