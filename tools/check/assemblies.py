"""Checks of a cloud assembly, read from the files that synth wrote."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tools.check.synthesis import VALIDATION_REPORT

MAX_RESOURCES: Final = 450
"""CloudFormation allows 500 resources per stack (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html); the
rest is room to add a component without splitting a stack under way, which moves resources."""

_REASON_MIN_LENGTH: Final = 20
_HARMLESS: Final = ("informational", "info", "debug")
_ACKNOWLEDGED: Final = "aws:cdk:acknowledged-rules"


@dataclass(frozen=True)
class Stack:
    """A stack: its name, Region ("unknown-region" if the CLI decides) and template."""

    name: str
    region: str
    template: Path

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Resources by logical id."""
        resources: dict[str, dict[str, Any]] = json.loads(self.template.read_text(encoding="utf-8")).get(
            "Resources", {}
        )
        return resources


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """The cloud assembly of one environment."""

    environment: str
    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest."""
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    @cached_property
    def stacks(self) -> list[Stack]:
        """Stacks, in the manifest's order."""
        return [
            Stack(
                f"{self.environment}/{name}",
                artifact["environment"].rpartition("/")[2],
                self.folder / artifact["properties"]["templateFile"],
            )
            for name, artifact in self.manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack"
        ]

    def finding_problems(self) -> list[str]:
        """Return every finding of the validation that is not acknowledged."""
        report = self.folder / VALIDATION_REPORT
        if not report.is_file():
            return [
                f"{self.environment}: no {VALIDATION_REPORT}: validation did not run; see stacks/checks.py and cdk.json"
            ]
        content = json.loads(report.read_text(encoding="utf-8"))
        return [
            f"{self.environment}: {finding}; fix it, or acknowledge it beside its resource with a reason"
            for finding in findings(content)
        ]

    def acknowledgements(self) -> Iterator[tuple[str, str, str]]:
        """Yield construct path, rule and reason of each acknowledgement."""
        for file in sorted(self.folder.glob("*.metadata.json")):
            metadata = json.loads(file.read_text(encoding="utf-8"))
            for path, entries in metadata.items():
                for entry in entries:
                    if entry["type"] == _ACKNOWLEDGED:
                        for rule, reason in entry["data"].items():
                            yield path, rule.partition("::")[2] or rule, reason

    def acknowledgement_problems(self) -> list[str]:
        """Return acknowledgements without a real reason."""
        return [
            f"{self.environment}{path}: {rule} is acknowledged because of {reason!r}; say why in a sentence"
            for path, rule, reason in self.acknowledgements()
            if len(reason) < _REASON_MIN_LENGTH
        ]

    def lookup_problems(self) -> list[str]:
        """Return context values that synth would look up in AWS."""
        return [
            f"{self.environment}: {entry['provider']} {entry['props']} would be looked up in AWS; give the value in the settings"
            for entry in self.manifest.get("missing", [])
        ]

    def docker_problems(self) -> list[str]:
        """Return assets whose publication needs Docker."""
        return [
            f"{self.environment}/{file.name}: Docker image asset {image.get('displayName', digest)}; "
            "build images in the repository's own pipeline and refer to them by URI"
            for file in sorted(self.folder.glob("*.assets.json"))
            for digest, image in json.loads(file.read_text(encoding="utf-8")).get("dockerImages", {}).items()
        ]

    def size_problems(self) -> list[str]:
        """Return stacks with too many resources."""
        return [
            f"{stack.name}: {len(stack.resources)} resources, {MAX_RESOURCES} are allowed here and 500 by CloudFormation; "
            "split the stack"
            for stack in self.stacks
            if len(stack.resources) > MAX_RESOURCES
        ]


def findings(report: dict[str, Any]) -> Iterator[str]:
    """Yield one line per finding of a validation report and resource; informational notes are left out."""
    for plugin in report["pluginReports"]:
        for violation in plugin.get("violations", []):
            if violation.get("severity") in _HARMLESS:
                continue
            for resource in violation.get("violatingConstructs") or violation.get("violatingResources") or [{}]:
                where = (
                    resource.get("constructPath")
                    or resource.get("resourceLogicalId")
                    or plugin.get("pluginName", "app")
                )
                yield f"{where}: {violation['ruleName']}: {violation.get('description', 'no description')}"


def by_rule(assemblies: Iterable[Assembly]) -> Counter[str]:
    """Count acknowledgements by rule over environments; a rule with the resource in brackets counts as one rule."""
    return Counter(rule.partition("[")[0] for assembly in assemblies for _, rule, _ in assembly.acknowledgements())
