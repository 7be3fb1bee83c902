"""Write docs/roles.md: every role of an environment with everything, from its templates (`python -m tools.docs.roles`)."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
import yaml

from cdk_sglang.environments.reading import cdk_json_context, check
from cdk_sglang.serving.shared.acknowledge import shown
from stacks.fleet import add_fleet

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "roles.md"
_ENVIRONMENT: Final = Path(__file__).with_name("whole.yaml")
_NAME: Final = "whole"
_DIGEST: Final = re.compile(r"[0-9A-F]{8}$")
_LONG_HEX: Final = re.compile(r"[0-9a-f]{64}")
_REFERENCE_DIGEST: Final = re.compile(r"(?<=[a-z])[0-9A-F]{8}(?=[.>])")
_PARAMETER: Final = re.compile(r"<SsmParameterValue(?:cdksglang)?(\w+?)C96584B6F00A464EAD1953AFF4B05118Parameter>")
_PART: Final = re.compile(
    r"\{'Fn::Select': \[(\d+), \{'Fn::Split': \[',', "
    r"\{'Ref': 'SsmParameterValue(?:cdksglang)?(\w+?)C96584B6F00A464EAD1953AFF4B05118Parameter'\}\]\}\]\}"
)
_HEADER: Final = """\
# Every role, from the templates

<!-- Written by `python -m tools.docs.roles` from the templates of tools/docs/whole.yaml; do not edit. -->

What each role of an environment may do, word for word: an environment with staged models, a built image, adapters, drafts, a reservation, showback,
an agent and data that go with their stacks. [Who may do what, and why](security.md) has the reasons. `<Name.Arn>` is another resource of the stack, and
`<parameter wholekeyarn>` a value of the foundation, such as the ARN of the environment's key; names begin with that of the environment, `whole`.
"""

Resources = Mapping[str, Mapping[str, Any]]


def templates() -> dict[str, Resources]:
    """Synthesise the environment, and return the resources of each stack by its name."""
    content = yaml.safe_load(_ENVIRONMENT.read_text(encoding="utf-8"))
    settings = check(content, source=str(_ENVIRONMENT))
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(context=cdk_json_context(ROOT / "cdk.json"), outdir=folder)
        env = cdk.Environment(account=settings.account, region=settings.region)
        add_fleet(app, name=_NAME, settings=settings, source=str(_ENVIRONMENT), env=env)
        return {
            stack.stack_name: json.loads(Path(stack.template_full_path).read_text(encoding="utf-8"))["Resources"]
            for stack in app.synth().stacks
        }


def page(stacks: Mapping[str, Resources]) -> str:
    """Return the page about the roles of some stacks."""
    parts = [_HEADER]
    for stack, resources in sorted(stacks.items()):
        roles = {name: role for name, role in sorted(resources.items()) if role["Type"] == "AWS::IAM::Role"}
        if roles:
            parts.append(f"\n## `{stack}`\n")
        parts += (_section(name, role["Properties"], resources) for name, role in roles.items())
    return "".join(parts)


def _section(name: str, role: Mapping[str, Any], resources: Resources) -> str:
    described = f"{role['Description']}. " if role.get("Description") else ""
    trust = "; ".join(_trust(statement) for statement in role["AssumeRolePolicyDocument"]["Statement"])
    rows = [_row(statement) for statement in _statements(name, role, resources)]
    managed = [_cell(shown(arn)) for arn in role.get("ManagedPolicyArns", ())]
    rows += [f"| managed policy | {arn} | |\n" for arn in managed]
    table = f"\n| actions | on | only if |\n|---|---|---|\n{''.join(rows)}" if rows else "\nIt may do nothing.\n"
    return f"\n### `{_DIGEST.sub('', name)}`\n\n{described}Taken by {trust}.\n{table}"


def _trust(statement: Mapping[str, Any]) -> str:
    who = ", ".join(shown(one) for value in statement["Principal"].values() for one in _listed(value))
    condition = _condition(statement)
    return f"`{who}`" + (f" if {condition}" if condition else "")


def _statements(name: str, role: Mapping[str, Any], resources: Resources) -> Iterator[Mapping[str, Any]]:
    for policy in role.get("Policies", ()):
        yield from policy["PolicyDocument"]["Statement"]
    for resource in resources.values():
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            properties = resource["Properties"]
            if {"Ref": name} in properties.get("Roles", ()):
                yield from properties["PolicyDocument"]["Statement"]


def _row(statement: Mapping[str, Any]) -> str:
    actions = ", ".join(f"`{action}`" for action in _listed(statement["Action"]))
    effect = "**denied**: " if statement["Effect"] == "Deny" else ""
    resources = "<br>".join(_cell(shown(one)) for one in _listed(statement["Resource"]))
    return f"| {effect}{actions} | {resources} | {_condition(statement)} |\n"


def _condition(statement: Mapping[str, Any]) -> str:
    return ", ".join(
        f"`{key}` {operator} {' or '.join(_cell(shown(one)) for one in _listed(value))}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    )


def _cell(text: str) -> str:
    """Return a value in a code span, without digests that follow from its place or its content."""
    text = _PART.sub(r"<part \1 of \2>", text)
    text = _PARAMETER.sub(r"<parameter \1>", text)
    text = _REFERENCE_DIGEST.sub("", _LONG_HEX.sub("…", text)).replace("|", "\\|")
    return f"`{text}`"


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(templates()), encoding="utf-8")


if __name__ == "__main__":
    main()
