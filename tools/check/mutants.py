"""Test the checkers with templates of one fault each; run `python -m tools.check.mutants` from the repository root, with `--deploy` to deploy them, too.

A fault that no checker finds is a gap in `make check`. The unchanged templates are checked first: a checker with a finding there would
seem to find every fault.
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.check import cfn_lint, metric_names, validation, workflows
from tools.check.assemblies import Assembly
from tools.check.deployment import mutants as deployed
from tools.check.faults import (
    ADAPTER,
    FAULTS,
    FOUNDATION,
    ONE_TYPE,
    POOL,
    REMOVED,
    ROLLOUT,
    SCALING,
    SCHEDULE,
    WORKFLOW,
    Fault,
)
from tools.check.nag import Nag
from tools.check.outcomes import Outcome
from tools.check.synthesis import synthesise

SNIPPETS: Final = Path(__file__).with_name("snippets")
ENVIRONMENT: Final = "prod"
CHECKERS: Final = ("CDK", "our rules", "cfn-lint", "nag", "ASL", "metrics")
_REGION: Final = "us-east-1"

Template = dict[str, Any]
Findings = dict[str, list[str]]
"""Rules by checker."""


@dataclass(frozen=True)
class Result:
    """A fault and its findings: rules by checker."""

    fault: Fault
    found: Findings

    @property
    def survives(self) -> bool:
        """Whether no checker found the fault."""
        return not any(self.found.values())


def originals(assembly: Path) -> dict[str, Template]:
    """Return the templates without faults, by their name in the table of faults.

    Args:
        assembly: Cloud assembly of the environment that the faults refer to.
    """
    files = {name: assembly / f"{name}.template.json" for name in (ONE_TYPE, POOL, FOUNDATION)}
    files |= {name: SNIPPETS / name for name in (ADAPTER, ROLLOUT, SCALING, SCHEDULE, WORKFLOW)}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}


def mutated(original: Template, fault: Fault) -> Template:
    """Return the template with the fault.

    Raises:
        LookupError: The fault refers to a resource or property that the template lacks, or changes nothing: the table is out of date.
    """
    template = copy.deepcopy(original)
    resource_type, path = fault.at
    place: Any = template["Resources"][_first(template, resource_type)] if resource_type else template
    *parents, last = path.split(".")
    try:
        for part in parents:
            place = place[_key(place, part)]
        key = _key(place, last)
        if fault.value is REMOVED:
            del place[key]
        elif isinstance(place, list) and key == len(place):
            place.append(_filled(template, fault.value))
        else:
            place[key] = _filled(template, fault.value)
    except (KeyError, IndexError, TypeError):
        raise LookupError(
            f"{fault.what}: {fault.on} has no {resource_type} {path}; bring tools/check/faults.py up to date"
        ) from None
    if template == original:
        raise LookupError(f"{fault.what}: changes nothing in {fault.on}; bring tools/check/faults.py up to date")
    return template


def _key(place: object, part: str) -> str | int:
    return int(part) if isinstance(place, list) else part


def _first(template: Template, resource_type: str) -> str:
    """Return the logical id of a type's first resource, one of the endpoint's own before those of its helpers.

    The order of ids is the template's own, so it is stable.
    """
    names = sorted(
        (name for name, resource in template["Resources"].items() if resource["Type"] == resource_type),
        key=lambda name: (name.startswith("CdkSglang"), name),
    )
    if not names:
        raise LookupError(f"no {resource_type}; bring tools/check/faults.py up to date")
    return str(names[0])


def _filled(template: Template, value: object) -> object:
    match value:
        case str() if value.startswith("@"):
            return _first(template, value[1:])
        case dict():
            return {key: _filled(template, item) for key, item in value.items()}
        case list():
            return [_filled(template, item) for item in value]
        case _:
            return value


def mutants(unchanged: Mapping[str, Template]) -> tuple[list[tuple[Fault, Template]], list[str]]:
    """Return a template for each fault, and the outdated entries of the table."""
    templates: list[tuple[Fault, Template]] = []
    problems: list[str] = []
    for fault in FAULTS:
        try:
            templates.append((fault, mutated(unchanged[fault.on], fault)))
        except LookupError as error:
            problems.append(str(error))
    return templates, problems


def results(
    unchanged: Mapping[str, Template], faulty: Sequence[tuple[Fault, Template]], acknowledged: Collection[str]
) -> tuple[dict[str, Findings], list[Result]]:
    """Return the findings in the unchanged templates, and those for each fault.

    Args:
        unchanged: Templates without faults.
        faulty: Faults with their templates.
        acknowledged: Rules of cdk-nag that are acknowledged anywhere: they are ignored, since templates have no acknowledgements.
    """
    findings_of_each = _examined([*unchanged.values(), *(template for _, template in faulty)], acknowledged)
    baseline = dict(zip(unchanged, findings_of_each, strict=False))
    return baseline, [
        Result(fault, findings) for (fault, _), findings in zip(faulty, findings_of_each[len(unchanged) :], strict=True)
    ]


def _examined(templates: list[Template], acknowledged: Collection[str]) -> list[Findings]:
    """Return the findings of each checker for each template.

    cfn-lint, which is pure Python, runs in a process of its own beside the others, which mostly wait for node.
    """
    texts = [json.dumps(template) for template in templates]
    nag, own_rules = Nag(), frozenset(validation.guard_rules())
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        tempfile.TemporaryDirectory() as folder,
    ):
        lint = pool.submit(_linted, texts)
        file = Path(folder, "T.template.json")
        findings: list[Findings] = []
        for template, text in zip(templates, texts, strict=True):
            file.write_text(text, encoding="utf-8")
            engine = [rule for rule, _ in validation.findings(file)]
            findings.append(
                {
                    "CDK": [rule for rule in engine if rule not in own_rules],
                    "our rules": [rule for rule in engine if rule in own_rules],
                    "nag": [rule for rule in nag.findings(file) if rule not in acknowledged],
                    "ASL": [message.partition(":")[0] for _, message in workflows.findings(template)],
                    "metrics": [place for place, _ in metric_names.findings(template)],
                }
            )
        return [{**others, "cfn-lint": rules} for others, rules in zip(findings, lint.result(), strict=True)]


def _linted(texts: list[str]) -> list[list[str]]:
    return [[rule for rule, _ in cfn_lint.findings(text, region=_REGION)] for text in texts]


def baseline_problems(baseline: Mapping[str, Findings]) -> list[str]:
    """Return the findings in templates without faults."""
    return [
        f"{name}: {checker} finds {', '.join(rules)} in the unchanged template; fix it before trusting the table"
        for name, findings in baseline.items()
        for checker, rules in findings.items()
        if rules
    ]


def table(found: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of the table: fault, template, and the first rule of each checker that finds it."""
    rows: list[tuple[str, ...]] = [("fault", "template", *CHECKERS)]
    for result in found:
        rules = (next(iter(result.found[checker]), "-") for checker in CHECKERS)
        rows.append((result.fault.what, result.fault.on, *rules))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def check(assembly: Path, show: Callable[[str], None]) -> Outcome:
    """Run the whole table against the cloud assembly of one environment.

    Args:
        assembly: Cloud assembly of `ENVIRONMENT`.
        show: Called with each line of the table.
    """
    unchanged = originals(assembly)
    faulty, problems = mutants(unchanged)
    acknowledged = {rule for _, rule, _ in Assembly(environment=ENVIRONMENT, folder=assembly).acknowledgements()}
    baseline, found = results(unchanged, faulty, acknowledged)
    for line in table(found):
        show(line)
    caught = ", ".join(f"{sum(bool(result.found[checker]) for result in found)} by {checker}" for checker in CHECKERS)
    return Outcome(
        figures=f"{sum(not result.survives for result in found)} of {len(FAULTS)} faults found: {caught}",
        problems=[*problems, *baseline_problems(baseline), *survivor_problems(found), *unneeded_problems(found)],
    )


def survivor_problems(found: Sequence[Result]) -> list[str]:
    """Return the faults that no checker finds."""
    return [
        f"{result.fault.what} ({result.fault.on}, {result.fault.at[1]}): no checker finds it; write a rule in stacks/rules.guard"
        for result in found
        if result.survives
    ]


def unneeded_problems(found: Sequence[Result]) -> list[str]:
    """Return the own rules whose faults a linter finds too, and the checkers without a fault that only they find."""
    necessary_rules = {
        rule
        for result in found
        if not result.found["CDK"] and not result.found["cfn-lint"]
        for rule in result.found["our rules"]
    }
    finders = [{checker for checker, rules in result.found.items() if rules} for result in found]
    return [
        *(
            f"{rule}: a linter finds all its faults too; remove it, or add a fault that only it finds"
            for rule in sorted(set(validation.guard_rules()) - necessary_rules)
        ),
        *(
            f"{checker}: other checkers find all its faults too; remove it, or add a fault that only it finds"
            for checker in ("our rules", "cfn-lint", "nag", "ASL", "metrics")
            if {checker} not in finders
        ),
    ]


def _deployed(assembly: Path) -> Iterator[str]:
    """Deploy the faults in the environment's own templates, and yield the table of it; `check` demands that others find each of them."""
    faulty, _ = mutants(originals(assembly))
    some = [
        deployed.Mutant("planted", ENVIRONMENT, fault.on, json.dumps(template), found=True, what=fault.what)
        for fault, template in faulty
        if fault.on in {ONE_TYPE, POOL, FOUNDATION}
    ]
    return deployed.table(some, deployed.refusals({ENVIRONMENT: assembly}, some))


def main() -> int:
    """Synthesise, run the table, print it."""
    with tempfile.TemporaryDirectory() as folder:
        (synthesis,) = synthesise([ENVIRONMENT], Path(folder))
        problems = synthesis.problems()
        if not problems:
            outcome = check(synthesis.folder, print)
            print(outcome.figures)
            problems = outcome.problems
            if "--deploy" in sys.argv[1:]:
                print(*_deployed(synthesis.folder), sep="\n")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
