"""What is said of a cloud assembly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.check.assemblies import Assembly, by_rule, findings
from tools.check.synthesis import differences


def assembly(
    folder: Path,
    *,
    report: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    manifest: dict[str, Any] | None = None,
    resources: int = 1,
    images: dict[str, Any] | None = None,
) -> Assembly:
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-west-2",
        "properties": {"templateFile": "S.template.json"},
    }
    files = {
        "manifest.json": {"artifacts": {"S": stack, "S.assets": {"type": "cdk:asset-manifest"}}, **(manifest or {})},
        "S.template.json": {"Resources": {f"R{number}": {} for number in range(resources)}},
        "S.metadata.json": metadata or {},
        "S.assets.json": {"dockerImages": images or {}},
    }
    if report is not None:
        files["validation-report.json"] = report
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return Assembly(environment="dev", folder=folder)


def report(severity: str) -> dict[str, Any]:
    violation = {
        "ruleName": "E1",
        "description": "wrong",
        "severity": severity,
        "violatingConstructs": [{"constructPath": "S/R"}, {"constructPath": "S/Q"}],
    }
    return {"pluginReports": [{"pluginName": "P", "violations": [violation]}]}


@pytest.mark.parametrize("severity", ["warning", "error", "fatal"])
def test_each_finding_is_a_problem_that_says_where_and_what_to_do(severity: str, tmp_path: Path) -> None:
    assert assembly(tmp_path, report=report(severity)).finding_problems() == [
        "dev: S/R: E1: wrong; fix it, or acknowledge it beside its resource with a reason",
        "dev: S/Q: E1: wrong; fix it, or acknowledge it beside its resource with a reason",
    ]


def test_notes_are_no_findings(tmp_path: Path) -> None:
    assert assembly(tmp_path, report=report("informational")).finding_problems() == []


def test_a_synth_without_validation_is_a_problem(tmp_path: Path) -> None:
    (problem,) = assembly(tmp_path).finding_problems()
    assert problem.startswith("dev: no validation-report.json: validation did not run")


def test_a_finding_without_construct_names_what_there_is() -> None:
    violation = {"ruleName": "E1", "violatingResources": [{"resourceLogicalId": "R1"}]}
    assert list(findings({"pluginReports": [{"violations": [violation]}]})) == ["R1: E1: no description"]
    assert list(findings({"pluginReports": [{"pluginName": "P", "violations": [{"ruleName": "E1"}]}]})) == [
        "P: E1: no description"
    ]


def test_acknowledgements_are_counted_by_rule_and_need_a_reason(tmp_path: Path) -> None:
    acknowledged = {
        "Annotation::IAM5[Resource::a]": "AWS gives this action no resource type",
        "Annotation::IAM5[Resource::b]": "AWS gives this action no resource type",
        "Annotation::S1": "because",
    }
    entries = [{"type": "aws:cdk:acknowledged-rules", "data": acknowledged}, {"type": "other", "data": "x"}]
    found = assembly(tmp_path, metadata={"/S/R": entries})
    assert by_rule([found]) == {"IAM5": 2, "S1": 1}
    assert found.acknowledgement_problems() == [
        "dev/S/R: S1 is acknowledged because of 'because'; say why in a sentence"
    ]


def test_a_lookup_is_a_problem(tmp_path: Path) -> None:
    missing = {"missing": [{"provider": "availability-zones", "props": {"region": "us-east-1"}, "key": "k"}]}
    (problem,) = assembly(tmp_path, manifest=missing).lookup_problems()
    assert problem.startswith("dev: availability-zones {'region': 'us-east-1'} would be looked up in AWS")
    assert assembly(tmp_path).lookup_problems() == []


def test_a_docker_image_asset_is_a_problem(tmp_path: Path) -> None:
    (problem,) = assembly(tmp_path, images={"abc": {"displayName": "Server"}}).docker_problems()
    assert problem.startswith(
        "dev/S.assets.json: Docker image asset Server; build images in the repository's own pipeline"
    )
    assert assembly(tmp_path).docker_problems() == []


def test_a_stack_of_more_than_450_resources_is_a_problem(tmp_path: Path) -> None:
    assert assembly(tmp_path, resources=450).size_problems() == []
    assert assembly(tmp_path, resources=451).size_problems() == [
        "dev/S: 451 resources, 450 are allowed here and 500 by CloudFormation; split the stack"
    ]


def test_a_stack_knows_its_region(tmp_path: Path) -> None:
    assert [(stack.name, stack.region) for stack in assembly(tmp_path).stacks] == [("dev/S", "us-west-2")]


def two_folders(tmp_path: Path, first: dict[str, str], second: dict[str, str]) -> list[str]:
    for name, files in (("first", first), ("second", second)):
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(content)
    return differences(tmp_path / "first", tmp_path / "second")


def test_a_byte_that_differs_between_two_synths_is_shown_with_its_line(tmp_path: Path) -> None:
    (problem,) = two_folders(tmp_path, {"a/t.json": "{\n 1\n}"}, {"a/t.json": "{\n 2\n}"})
    assert problem.startswith("a/t.json: differs between two synths at line 2: 1 / 2;")


def test_a_longer_file_differs(tmp_path: Path) -> None:
    (problem,) = two_folders(tmp_path, {"t": "a"}, {"t": "a\nb"})
    assert "at line 2: one of them ends" in problem


def test_a_file_of_one_synth_only_differs(tmp_path: Path) -> None:
    (problem,) = two_folders(tmp_path, {"t": "a", "u": "a"}, {"t": "a"})
    assert problem.startswith("u: only in one of two synths")


def test_timings_and_temporary_folders_of_jsii_do_not_differ(tmp_path: Path) -> None:
    def trace(kernel: str, program: str) -> dict[str, str]:
        return {
            "m.json": f'".../tmp/{kernel}/node_modules/aws-cdk-lib/x.js:1 in y"\n"/var/{program}/lib/program.js:1:2"'
        }

    first = {**trace("jsii-kernel-a1B", "tmp_x0"), "performance-counters.json": "1"}
    assert two_folders(tmp_path, first, trace("jsii-kernel-Zz9", "tmpq")) == []


def test_another_file_of_the_same_temporary_folder_differs(tmp_path: Path) -> None:
    assert two_folders(tmp_path, {"m": "/tmp/tmpa/lib/program.js:1:2"}, {"m": "/tmp/tmpa/lib/program.js:1:3"}) != []
