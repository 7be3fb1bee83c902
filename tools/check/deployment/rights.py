"""Take away each right of an environment's roles, one by one, deploy, call and delete, and say which of them something notices.

`python -m tools.check.deployment.rights [COUNT]` from the repository root, for the local environment; COUNT takes every n-th right. The
embedded AWS judges roles (`localcloud/aws/door/permissions.py`); nothing is started: components answer at once, with a constant.
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from localcloud.aws.clock import Clock
from tools.check.assemblies import Assembly
from tools.check.deployment import stacks
from tools.check.deployment.running import PREFIXES, Running
from tools.check.deployment.world import World
from tools.check.graph import listed
from tools.check.synthesis import synthesise

ENVIRONMENT: Final = "local"
_AT_ONCE: Final = 2
_NOTHING: Final = "none:None"
"""An action that does not exist: a statement needs one."""
_EXPECTED_BYTES: Final = re.compile(r'(\\"expected_bytes\\": )\d+')
"""Size that the check of weights expects: the small model here has another."""

_ROLES_PAGE: Final = "https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html"
_LOGS_PAGE: Final = "https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html"
_INSTANCE_LOGS: Final = "/aws/sagemaker/Endpoints/"

REASONS: Final[Mapping[tuple[str, str], str]] = {
    (
        "lambda:GetFunction",
        "",
    ): "CDK's provider framework asks only while a function is inactive, as after weeks without a call "
    "(https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html)",
    ("logs:DescribeLogStreams", ""): f"SageMaker asks for it in an execution role, and says no effect ({_ROLES_PAGE})",
    (
        "cloudwatch:PutMetricData",
        "",
    ): f"SageMaker asks for it in an execution role; metrics here are the service's own ({_ROLES_PAGE})",
    ("logs:CreateLogStream", _INSTANCE_LOGS): f"instances write their log, and there are none here ({_LOGS_PAGE})",
    ("logs:PutLogEvents", _INSTANCE_LOGS): f"instances write their log, and there are none here ({_LOGS_PAGE})",
}
"""Why a right may go unnoticed here, and stays: AWS asks for it where the embedded AWS does not. By action, and part of the resources."""


def reason(right: Right) -> str:
    """Return why a right stays though nothing notices; empty if there is no reason."""
    return next(
        (why for (action, part), why in REASONS.items() if action == right.action and part in right.resources), ""
    )


@dataclass(frozen=True)
class Right:
    """An action that a statement of a role's policies allows.

    Attributes:
        artifact: Stack of the role.
        role: Logical id of the role, or of its policy.
        action: The action.
        resources: Resources of the statement, in short.
        text: Template without it.
    """

    artifact: str
    role: str
    action: str
    resources: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """Result of removing a permission: the first finding that the whole template does not have, empty if there is none."""

    right: Right
    finding: str
    seconds: float


def rights(artifact: str, template: dict[str, Any]) -> Iterator[Right]:
    """Yield every right of a template's roles.

    Args:
        artifact: Name of the stack in the assembly.
        template: Its template.
    """
    for name, resource in template["Resources"].items():
        if resource["Type"] not in {"AWS::IAM::Role", "AWS::IAM::Policy"}:
            continue
        for place, document in enumerate(_documents(resource)):
            for number, statement in enumerate(document["Statement"]):
                if statement["Effect"] != "Allow":
                    continue
                for action in listed(statement["Action"]):
                    changed = copy.deepcopy(template)
                    lacking = _documents(changed["Resources"][name])[place]["Statement"][number]
                    lacking["Action"] = [one for one in listed(lacking["Action"]) if one != action] or [_NOTHING]
                    resources = json.dumps(statement.get("Resource"))
                    yield Right(artifact, name, action, resources, json.dumps(changed))


def _documents(resource: dict[str, Any]) -> list[dict[str, Any]]:
    properties = resource["Properties"]
    inline = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    return [*inline, *([properties["PolicyDocument"]] if "PolicyDocument" in properties else [])]


def found(folder: Path, artifact: str, text: str | None = None) -> list[str]:
    """Deploy a stack and what it depends on, look at it, delete it, and return what was wrong.

    Args:
        folder: Cloud assembly.
        artifact: The stack.
        text: Its template. Default: that of the assembly.
    """
    runner: list[Running] = []

    def create(clock: Clock) -> Running:
        runner.append(Running(clock, Path(temporary)))
        return runner[0]

    def after(here: World, part: stacks.Part) -> Iterator[str]:
        return runner[0].after(here, part)

    assembly = Assembly(environment=ENVIRONMENT, folder=folder)
    changed = {artifact: text} if text else {}
    with tempfile.TemporaryDirectory() as temporary:
        return stacks.findings(assembly, changed=changed, only=artifact, runner=create, then=after)


def judged(folder: Path, baselines: dict[str, list[str]], right: Right) -> Verdict:
    """Remove one permission, and return the result."""
    began = time.monotonic()
    lines = found(folder, right.artifact, right.text)
    new = [line for line in lines if line not in baselines[right.artifact]]
    return Verdict(right, next(iter(new), ""), time.monotonic() - began)


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield a line for each permission, the unnoticed ones last, and the figures."""
    for verdict in sorted(verdicts, key=lambda one: not one.finding):
        right = verdict.right
        remark = _in_short(verdict.finding) or reason(right) or "nothing notices: it goes, or gets a reason here"
        mark = "noticed  " if verdict.finding else "unnoticed"
        yield f"{mark} {right.role:55} {right.action:40} {remark[:160]}"
    noticed = sum(bool(one.finding) for one in verdicts)
    explained = sum(not one.finding and bool(reason(one.right)) for one in verdicts)
    yield f"{noticed} of {len(verdicts)} rights noticed, {explained} with a reason, {len(verdicts) - noticed - explained} with none"


def _in_short(finding: str) -> str:
    """IAM's words where a finding has them."""
    refusal = finding.find("not authorized to perform")
    return finding[refusal:] if refusal >= 0 else finding


def prepared(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the templates by artifact, and fit the expected size of weights to the small model."""
    templates: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.template.json")):
        text = _EXPECTED_BYTES.sub(r"\g<1>1000", file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
        templates[file.name.removesuffix(".template.json")] = json.loads(text)
        PREFIXES.update(re.findall(r'\\"prefix\\": \\"([^"\\]+)', text))
    return templates


def run(folder: Path, *, every: int = 1) -> list[Verdict]:
    """Take rights away one by one, and return the verdicts.

    Args:
        folder: Cloud assembly of the environment, whose templates are changed.
        every: Take every n-th right. Default: each.
    """
    templates = prepared(folder)
    all_rights = [right for name, template in templates.items() for right in rights(name, template)][::every]
    context = multiprocessing.get_context(
        "fork"
    )  # with everything imported, and each deployment in a process of its own
    with context.Pool(_AT_ONCE, maxtasksperchild=1) as pool:
        artifacts = sorted({right.artifact for right in all_rights})
        baselines = dict(zip(artifacts, pool.map(partial(found, folder), artifacts, chunksize=1), strict=True))
        return pool.map(partial(judged, folder, baselines), all_rights, chunksize=1)


def main() -> int:
    """Synthesise, take the rights away, print the table; 1 if one goes unnoticed without a reason."""
    every = int(sys.argv[1]) if sys.argv[1:] else 1
    with tempfile.TemporaryDirectory() as folder:
        (synthesis,) = synthesise([ENVIRONMENT], Path(folder))
        if problems := synthesis.problems():
            print(*problems, sep="\n", file=sys.stderr)
            return 1
        verdicts = run(synthesis.folder, every=every)
    print(*table(verdicts), sep="\n")
    return int(any(not one.finding and not reason(one.right) for one in verdicts))


if __name__ == "__main__":
    sys.exit(main())
