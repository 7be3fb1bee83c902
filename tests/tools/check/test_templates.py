"""cfn-lint, state machines, drift and the printed lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.check import cfn_lint, commands, drift, workflows
from tools.check.outcomes import Checks, Outcome
from tools.check.synthesis import Synthesis

GOOD_STATES = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}}
BAD_STATES = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "C"}}}


def machine(**properties: Any) -> dict[str, Any]:
    return {"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}, "Other": {}}}


def test_cfn_lint_names_rule_place_and_problem() -> None:
    template = {"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 42}}}}
    ((rule, message),) = cfn_lint.findings(json.dumps(template), region="unknown-region")
    assert rule == "E3030"
    assert message.startswith("Resources.Logs.Properties.RetentionInDays: 42 is not one of")


def test_cfn_lint_keeps_nothing_from_one_template_to_the_next() -> None:
    bad = json.dumps({"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 42}}}})
    good = json.dumps({"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup"}}})
    first = cfn_lint.findings(bad, region="us-east-1")
    assert cfn_lint.findings(good, region="us-east-1") == []
    assert cfn_lint.findings(bad, region="us-east-1") == first


@pytest.mark.parametrize(
    "properties",
    [
        {"DefinitionString": json.dumps(GOOD_STATES)},
        {"Definition": GOOD_STATES},
        {"DefinitionString": {"Fn::Sub": json.dumps(GOOD_STATES)}},
    ],
)
def test_a_state_machine_that_is_right_passes(properties: dict[str, Any]) -> None:
    assert workflows.findings(machine(**properties)) == []


def test_a_state_machine_with_a_transition_to_nowhere_fails() -> None:
    found = workflows.findings(machine(DefinitionString=json.dumps(BAD_STATES)))
    assert ("M", "MISSING_TRANSITION_TARGET: Missing 'StartAt'|'Next'|'Default' target: C") in found


def test_what_is_known_only_at_deployment_has_a_placeholder() -> None:
    task = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${Job}", "End": True}}}
    head, tail = json.dumps(task).split("${Job}")
    for properties in (
        {"DefinitionString": {"Fn::Join": ["", [head, {"Fn::GetAtt": ["Function", "Arn"]}, tail]]}},
        {"DefinitionString": {"Fn::Sub": [json.dumps(task), {"Job": {"Ref": "Function"}}]}},
        {
            "DefinitionString": json.dumps(task),
            "DefinitionSubstitutions": {"Job": "arn:aws:lambda:us-east-1:1:function:f"},
        },
        {"Definition": {**task, "States": {"A": {**task["States"]["A"], "Resource": {"Ref": "Function"}}}}},
    ):
        assert workflows.findings(machine(**properties)) == [], properties


def test_partition_and_substitutions_are_written_into_the_definition() -> None:
    join = {"Fn::Join": ["", ['{"a":"arn:', {"Ref": "AWS::Partition"}, ':${X}"}']]}
    template = machine(DefinitionString=join, DefinitionSubstitutions={"X": 'say "x"'})
    ((_, definition),) = workflows.definitions(template)
    assert json.loads(definition or "") == {"a": 'arn:aws:say "x"'}


def test_a_definition_that_is_no_json_or_lies_in_s3_is_found() -> None:
    ((_, message),) = workflows.findings(machine(DefinitionString="{"))
    assert message.startswith("its definition is not JSON")
    ((_, message),) = workflows.findings(machine(DefinitionS3Location={"Bucket": "b", "Key": "k"}))
    assert message == "its definition is in S3, where no check reads it; put it into the template"


def test_a_tool_that_is_missing_is_said_so_and_one_that_hangs_is_stopped() -> None:
    status, output = commands.run(["no-such-tool"], timeout_seconds=1, variables={})
    assert (status, output) == (127, "no-such-tool: not found; run `make setup`")
    status, output = commands.run(["sleep", "60"], timeout_seconds=0.1, variables={})
    assert (status, output) == (124, "sleep: stopped after 0.1 s")


def test_nothing_has_moved_between_cloudformation_and_the_api() -> None:
    assert drift.check().problems == []


def test_what_the_rules_are_built_on_is_among_the_differences() -> None:
    found = drift.differences()
    component, variant = "AWS::SageMaker::InferenceComponent", "AWS::SageMaker::EndpointConfig.ProductionVariants[]"
    for line in (
        f"{component}.Specification.ComputeResourceRequirements.MinMemoryRequiredInMb: required by the API only",
        f"{component}.RuntimeConfig.CopyCount: required by the API only",
        f"{variant}.RoutingConfig.RoutingStrategy: required by the API only",
        f"{variant}.RoutingConfig.RoutingStrategy: KV_AWARE in the API only",
    ):
        assert line in found
    assert not [line for line in found if "CurrentCopyCount" in line or "CreationTime" in line], "read-only"


def test_a_new_and_a_vanished_difference_are_each_one_line_that_says_what_moved() -> None:
    new, gone = drift.moved(
        ["T.a: in the API only", "T.b: in the API only"], ["T.b: in the API only", "T.c: x in the API only"]
    )
    assert new.startswith("api_drift.txt: new: T.c: x in the API only; decide what it means")
    assert gone.startswith("api_drift.txt: gone: T.a: in the API only; see whether the constructs can use it now")
    assert "`python -m tools.check.drift --write`" in new


def test_comments_of_the_snapshot_are_no_differences() -> None:
    assert drift.read_snapshot("# by hand\n\nT.a: in the API only\n") == ["T.a: in the API only"]


def test_a_check_is_one_line_and_its_problems_follow(capsys: pytest.CaptureFixture[str]) -> None:
    checks = Checks()
    assert checks.run("sizes", lambda: Outcome(figures="3 stacks"))
    assert not checks.run("lint", lambda: Outcome(figures="1 template", problems=["t: E1: wrong; mend it"]))
    assert checks.summary() == 1
    first, second, problem, last = capsys.readouterr().out.splitlines()
    assert first.split() == ["ok", "sizes", "0.0", "s", "3", "stacks"]
    assert second.split()[:2] == ["FAIL", "lint"]
    assert problem.strip() == "t: E1: wrong; mend it"
    assert last == "1 of 2 checks passed in 0 s; failed: lint"


def test_the_exit_status_is_0_when_all_passed(capsys: pytest.CaptureFixture[str]) -> None:
    checks = Checks()
    checks.run("sizes", lambda: Outcome(figures=""))
    assert checks.summary() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 checks passed in 0 s"


def test_a_failed_synth_says_what_the_cli_said() -> None:
    synthesis = Synthesis(
        environment="dev",
        file="environments/dev.yaml",
        folder=Path(),
        took_seconds=1,
        exit_status=2,
        output="\nenvironments/dev.yaml: bad\n",
    )
    assert synthesis.problems() == [
        "environments/dev.yaml: `cdk synth -c env=dev` exits 2:",
        "environments/dev.yaml: bad",
    ]
