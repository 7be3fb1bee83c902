"""cdk-nag over templates that are files already: it reads constructs, so each is included into a stack of its own."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import cloudformation_include as include

from stacks.checks import nag_packs


class Nag:
    """All packs, over one template after another. Acknowledgements are not in templates, so what they cover is reported too."""

    def __init__(self) -> None:
        self._app = cdk.App(analytics_reporting=False)
        self._packs = nag_packs(self._app)

    def findings(self, template: Path) -> list[str]:
        """Return the rules a template violates, each as often as it does; none where CDK cannot read the template."""
        stack = cdk.Stack(self._app, "Template")
        try:
            include.CfnInclude(stack, "Included", template_file=str(template))
            reports = [pack.validate_scope(stack) for pack in self._packs]
        except RuntimeError:  # such as a reference to what is not there: other checkers say so
            return []
        finally:
            self._app.node.try_remove_child("Template")
        return [
            violation.rule_name
            for report in reports
            for violation in report.violations
            for _ in violation.violating_resources
        ]
