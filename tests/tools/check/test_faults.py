"""The checkers find every fault of the table, and nothing where there is none."""

from __future__ import annotations

import pytest

from tools.check import mutants, validation
from tools.check.assemblies import Assembly
from tools.check.faults import ADAPTER, FAULTS, ONE_TYPE, REMOVED, Fault
from tools.check.mutants import Findings, Result, Template

CONFIG = "AWS::SageMaker::EndpointConfig"


@pytest.fixture(scope="module")
def unchanged(prod: Assembly) -> dict[str, Template]:
    return mutants.originals(prod.folder)


@pytest.fixture(scope="module")
def outcome(prod: Assembly, unchanged: dict[str, Template]) -> tuple[dict[str, Findings], list[Result]]:
    """Every tenth fault; the whole table takes minutes, and is run by `make check-all`."""
    faulty, out_of_date = mutants.mutants(unchanged)
    assert out_of_date == []
    return mutants.results(unchanged, faulty[::10], {rule for _, rule, _ in prod.acknowledgements()})


def test_nothing_is_found_in_templates_that_are_right(outcome: tuple[dict[str, Findings], list[Result]]) -> None:
    assert mutants.baseline_problems(outcome[0]) == []
    assert len(outcome[0]) == 8


def test_faults_are_found(outcome: tuple[dict[str, Findings], list[Result]]) -> None:
    assert mutants.survivor_problems(outcome[1]) == []
    assert len(outcome[1]) == len(FAULTS[::10])
    assert len(FAULTS) >= 100


def test_a_rule_that_finds_nothing_alone_and_a_checker_nobody_needs_are_problems() -> None:
    fault = Fault("quiet", ADAPTER, (CONFIG, "Properties.X"), 1)
    rules = sorted(validation.guard_rules())
    nothing: Findings = {checker: [] for checker in mutants.CHECKERS}
    alone = [
        Result(fault, nothing | {"our rules": rules[1:]}),
        Result(fault, nothing | {"our rules": rules[:1], "cfn-lint": ["E3030"]}),
        Result(fault, nothing | {"nag": ["S1"]}),
        Result(fault, nothing | {"ASL": ["X"]}),
        Result(fault, nothing | {"metrics": ["X"]}),
    ]
    assert mutants.unneeded_problems(alone) == [
        f"{rules[0]}: a linter finds all its faults too; remove it, or add a fault that only it finds",
        "cfn-lint: other checkers find all its faults too; remove it, or add a fault that only it finds",
    ]


def test_the_table_has_a_line_for_each_fault_and_names_who_found_it() -> None:
    fault = Fault("no routing", ONE_TYPE, (CONFIG, "Properties"), REMOVED)
    found = {checker: [] for checker in mutants.CHECKERS} | {"our rules": ["VARIANT_NEEDS_ROUTING", "OTHER"]}
    head, line = mutants.table([Result(fault, found)])
    assert head.split() == ["fault", "template", "CDK", "our", "rules", "cfn-lint", "nag", "ASL", "metrics"]
    assert line.split() == ["no", "routing", ONE_TYPE, "-", "VARIANT_NEEDS_ROUTING", "-", "-", "-", "-"]


def test_a_fault_that_nobody_finds_is_a_problem_with_a_next_step() -> None:
    fault = Fault("quiet", ADAPTER, (CONFIG, "Properties.X"), 1)
    found: Findings = {checker: [] for checker in mutants.CHECKERS}
    assert mutants.survivor_problems([Result(fault, found)]) == [
        "quiet (adapter.json, Properties.X): no checker finds it; write a rule in stacks/rules.guard"
    ]


def test_a_finding_in_a_template_that_is_right_is_a_problem() -> None:
    (problem,) = mutants.baseline_problems({"Serving": {"cfn-lint": ["E3030"], "CDK": []}})
    assert problem.startswith("Serving: cfn-lint finds E3030 in the unchanged template")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("Properties.Nothing.Here", 1, f"f: t has no {CONFIG} Properties.Nothing.Here; bring tools/check/faults.py up to date"),
        ("Properties.Nothing", REMOVED, f"f: t has no {CONFIG} Properties.Nothing; bring tools/check/faults.py up to date"),
        ("Properties.Name", "a", "f: changes nothing in t; bring tools/check/faults.py up to date"),
    ],
)  # fmt: skip
def test_a_fault_that_no_longer_fits_its_template_is_an_error(path: str, value: object, message: str) -> None:
    template = {"Resources": {"C": {"Type": CONFIG, "Properties": {"Name": "a"}}}}
    with pytest.raises(LookupError) as error:
        mutants.mutated(template, Fault("f", "t", (CONFIG, path), value))
    assert str(error.value) == message


def test_an_at_sign_stands_for_the_first_resource_of_a_type() -> None:
    template = {"Resources": {"B": {"Type": CONFIG}, "A": {"Type": CONFIG}, "R": {"Type": "AWS::IAM::Role"}}}
    changed = mutants.mutated(template, Fault("f", "t", ("AWS::IAM::Role", "DependsOn"), [f"@{CONFIG}"]))
    assert changed["Resources"]["R"]["DependsOn"] == ["A"]
    assert "DependsOn" not in template["Resources"]["R"]


def test_no_two_faults_have_the_same_name() -> None:
    assert len({fault.what for fault in FAULTS}) == len(FAULTS)
