"""The checks of templates, in order; exit status 1 if any fails.

`python -m tools.check [ENVIRONMENT...]` is `make check`: what holds for templates of any environment, by name or by path. With `--all`, as in `make check-all`, the
checkers themselves are checked too, on this repository's templates: faults planted in them are found, and each right of a function is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.location import ENVIRONMENTS, Location, locate, there_text
from cdk_sglang.errors import ConfigurationError, Problem
from tools.check import api_models, cfn_lint, drift, metric_names, metric_uses, mutants, workflows
from tools.check.assemblies import MAX_RESOURCES, Assembly, by_rule
from tools.check.commands import ROOT
from tools.check.deployment import checker as deployment
from tools.check.generated import run as generated
from tools.check.graph import environment_of
from tools.check.outcomes import Checks, Outcome
from tools.check.relations import checker as relations
from tools.check.relations import removals
from tools.check.synthesis import Synthesis, differences, synthesise

_EXIT_USAGE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Run the checks over the environments that are named, or over every one."""
    parser = argparse.ArgumentParser(prog="python -m tools.check", description="Check the templates of environments.")
    parser.add_argument(
        "environments", nargs="*", metavar="ENVIRONMENT", help="names or paths; default: every file in environments/"
    )
    parser.add_argument(
        "--all", action="store_true", help="check the checkers too, on the templates of this repository"
    )
    options = parser.parse_args(arguments)
    try:
        places = _places(options.environments)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return _EXIT_USAGE
    environments = [place.name for place in places]
    if options.all and mutants.ENVIRONMENT not in environments:
        print(f"environments/{mutants.ENVIRONMENT}.yaml: missing; the faults refer to it", file=sys.stderr)
        return _EXIT_USAGE
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        assemblies = [Assembly(environment=name, folder=first / name) for name in environments]
        if checks.run("synth, strict validation, rule packs", lambda: _synthesised(synthesise(places, first))):
            _check_templates(checks, assemblies, places, second)
            if options.all:
                _check_checkers(checks, assemblies)
        else:
            print("     the templates are not checked, since there are none")
    if options.all:
        checks.run("CloudFormation against API", drift.check)
    return checks.summary()


def _places(arguments: Sequence[str]) -> list[Location]:
    """Return where the environments are that are named, several in one word too (`make check ENV="dev prod"`); every one by default.

    Raises:
        ConfigurationError: There is no such file, or two environments have one name.
    """
    folder = ROOT / ENVIRONMENTS
    words = [word for one in arguments for word in ([one] if Path(one).is_file() else one.split())]
    words = words or sorted(file.stem for file in folder.glob("*.yaml"))
    places = [locate(word, option="ENVIRONMENT") for word in words]
    names = Counter(place.name for place in places)
    raise_if_any(
        [
            *(
                Problem(str(place.file), f"no such file; {there_text(place.folder or folder, place.name)}")
                for place in places
                if not (place.file if place.is_path else folder / place.file.name).is_file()
            ),
            *(
                Problem(name, f"given {count} times; give each environment once")
                for name, count in names.items()
                if count > 1
            ),
        ]
    )
    return places


def _check_templates(checks: Checks, assemblies: list[Assembly], places: list[Location], second: Path) -> None:
    checks.run("nothing unacknowledged", lambda: _findings(assemblies))
    checks.run("second synth is the same", lambda: _repeated(assemblies, places, second))
    checks.run("no Docker image assets", lambda: _each(assemblies, Assembly.docker_problems))
    checks.run("no lookups in AWS", lambda: _each(assemblies, Assembly.lookup_problems))
    checks.run("stacks have room", lambda: _sizes(assemblies))
    checks.run("cfn-lint", lambda: _linted(assemblies))
    checks.run("state machines", lambda: _state_machines(assemblies))
    checks.run("names of metrics", lambda: _metric_names(assemblies))
    checks.run("values that the APIs take", lambda: _api_values(assemblies))
    checks.run("relations between resources", lambda: _relations(assemblies))
    checks.run("an embedded AWS takes and deletes them", lambda: deployment.check(assemblies))


def _check_checkers(checks: Checks, assemblies: list[Assembly]) -> None:
    checks.run("rights are missed, one by one", lambda: _removals(assemblies))
    checks.run("generated faults are found", lambda: _generated(assemblies))
    table: list[str] = []
    prod = next(assembly.folder for assembly in assemblies if assembly.environment == mutants.ENVIRONMENT)
    checks.run("faults in templates are found", lambda: mutants.check(prod, table.append))
    print("".join(f"     {line}\n" for line in table), end="")


def _synthesised(syntheses: Sequence[Synthesis]) -> Outcome:
    durations = ", ".join(f"{synthesis.environment} {synthesis.took_seconds:.1f} s" for synthesis in syntheses)
    return Outcome(figures=durations, problems=[line for synthesis in syntheses for line in synthesis.problems()])


def _findings(assemblies: Sequence[Assembly]) -> Outcome:
    counts = by_rule(assemblies)
    return Outcome(
        figures=f"{counts.total()} acknowledgements of {len(counts)} rules, each with its reason",
        problems=[
            *_flat(assembly.finding_problems() for assembly in assemblies),
            *_flat(assembly.acknowledgement_problems() for assembly in assemblies),
        ],
    )


def _repeated(assemblies: Sequence[Assembly], places: Sequence[Location], into: Path) -> Outcome:
    problems: list[str] = []
    for synthesis in synthesise(places, into, again=True):
        first = next(assembly.folder for assembly in assemblies if assembly.environment == synthesis.environment)
        problems += synthesis.problems() or [
            f"{synthesis.environment}/{difference}" for difference in differences(first, synthesis.folder)
        ]
    files = sum(1 for assembly in assemblies for file in assembly.folder.rglob("*") if file.is_file())
    return Outcome(figures=f"{files} files byte for byte", problems=problems)


def _sizes(assemblies: Sequence[Assembly]) -> Outcome:
    sizes = [(stack.name, len(stack.resources)) for assembly in assemblies for stack in assembly.stacks]
    counts = ", ".join(f"{name} {count}" for name, count in sizes)
    return Outcome(
        figures=f"of {MAX_RESOURCES} resources: {counts}",
        problems=_flat(assembly.size_problems() for assembly in assemblies),
    )


def _linted(assemblies: Sequence[Assembly]) -> Outcome:
    stacks = [stack for assembly in assemblies for stack in assembly.stacks]
    return Outcome(
        figures=f"{len(stacks)} templates; ignored for a reason: {', '.join(cfn_lint.IGNORED)}",
        problems=[
            f"{stack.name}: {rule}: {message}; fix it, or name the rule with a reason in tools/check/cfn_lint.py"
            for stack in stacks
            for rule, message in cfn_lint.findings(stack.template.read_text(encoding="utf-8"), region=stack.region)
        ],
    )


def _state_machines(assemblies: Sequence[Assembly]) -> Outcome:
    stacks = [stack for assembly in assemblies for stack in assembly.stacks]
    templates = {stack.name: json.loads(stack.template.read_text(encoding="utf-8")) for stack in stacks}
    machines = sum(1 for template in templates.values() for _ in workflows.definitions(template))
    return Outcome(
        figures=f"{machines} state machines",
        problems=[
            f"{name}: {logical_id}: {message}"
            for name, template in templates.items()
            for logical_id, message in workflows.findings(template)
        ],
    )


def _metric_names(assemblies: Sequence[Assembly]) -> Outcome:
    stacks = [stack for assembly in assemblies for stack in assembly.stacks]
    templates = {stack.name: json.loads(stack.template.read_text(encoding="utf-8")) for stack in stacks}
    published = frozenset[tuple[str, str]]().union(*map(metric_uses.own_metrics, templates.values()))
    return Outcome(
        figures=f"{sum(1 for template in templates.values() for _ in metric_uses.uses(template))} uses of metrics",
        problems=[
            f"{name}: {place}: {message}"
            for name, template in templates.items()
            for place, message in metric_names.findings(template, published=published)
        ],
    )


def _api_values(assemblies: Sequence[Assembly]) -> Outcome:
    problems = [
        f"{stack.name}: {place}: {message}"
        for assembly in assemblies
        for stack in assembly.stacks
        for place, message in api_models.findings(json.loads(stack.template.read_text(encoding="utf-8")))
    ]
    return Outcome(figures=f"{len(api_models.BEHIND)} types, by botocore's models", problems=problems)


def _relations(assemblies: Sequence[Assembly]) -> Outcome:
    problems = []
    for assembly in assemblies:
        environment = environment_of(assembly.folder)
        for stack in assembly.stacks:
            template = json.loads(stack.template.read_text(encoding="utf-8"))
            problems += [
                f"{stack.name}: {place}: {message}" for place, message in relations.findings(template, environment)
            ]
    return Outcome(
        figures="order, references, roles and their code, places, alarms and scaling, data", problems=problems
    )


def _removals(assemblies: Sequence[Assembly]) -> Outcome:
    """Take each right of each function's role away; the same role of two environments is looked at once."""
    rights: dict[tuple[str, str, str], bool] = {}
    for assembly in assemblies:
        environment = environment_of(assembly.folder)
        for stack in assembly.stacks:
            place = stack.name.partition("/")[2].removeprefix(f"cdk-sglang-{assembly.environment}-")
            template = json.loads(stack.template.read_text(encoding="utf-8"))
            for role, action, noticed in removals.findings(template, environment):
                key = (place, role, action)
                rights[key] = rights.get(key, True) and noticed
    problems = [
        f"{place}: {role}: nothing needs {action}" for (place, role, action), noticed in rights.items() if not noticed
    ]
    return Outcome(figures=f"{len(rights)} rights of functions", problems=problems)


def _generated(assemblies: Sequence[Assembly]) -> Outcome:
    """Run a sample in a bounded time; `make mutants` takes more, and prints the figures by kind."""
    folders = {assembly.environment: assembly.folder for assembly in assemblies}
    verdicts, problems = generated.examine(folders, generated.SAMPLE, others=False, seconds=generated.SECONDS)
    return generated.outcome(verdicts, problems)


def _each(assemblies: Sequence[Assembly], problems: Callable[[Assembly], list[str]]) -> Outcome:
    return Outcome(
        figures=f"{len(assemblies)} environments", problems=_flat(problems(assembly) for assembly in assemblies)
    )


def _flat(lists: Iterable[list[str]]) -> list[str]:
    return [item for items in lists for item in items]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
