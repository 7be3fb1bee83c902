"""The generator of faults: seeded, of every kind, without a change of its source; what it makes is found."""

from __future__ import annotations

import copy
from itertools import chain

import pytest

from tools.check import api_models
from tools.check.assemblies import Assembly
from tools.check.generated import __main__ as program
from tools.check.generated import links, run
from tools.check.generated.model import Candidate, Source
from tools.check.graph import Environment
from tools.check.relations import checker as relations

ENVIRONMENT = Environment(region="us-east-1", account="111122223333")


@pytest.fixture(scope="module")
def templates(prod: Assembly) -> list[Source]:
    return run.sources({"prod": prod.folder})


def test_derived_rules_find_nothing_in_templates_that_are_right(templates: list[Source]) -> None:
    assert run.unchanged_problems(templates) == []
    assert len(templates) > 5


def test_every_type_has_its_api_but_those_that_take_their_properties_apart(templates: list[Source]) -> None:
    types = {resource["Type"] for source in templates for resource in source.template["Resources"].values()}
    assert {one for one in types if one.startswith("AWS::")} - api_models.BEHIND.keys() == {
        "AWS::EC2::RouteTable",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }


def test_mutants_are_the_same_for_a_seed_and_leave_their_source_alone(templates: list[Source]) -> None:
    before = copy.deepcopy([source.template for source in templates])
    first = run.samples(templates, 4)
    assert [str(one) for one in first] == [str(one) for one in run.samples(templates, 4)]
    assert [str(one) for one in first] != [str(one) for one in run.samples(templates, 4, seed=1)]
    assert {one.kind for one in first} == set(run.KINDS)
    assert all(one.mutant() != one.source.template for one in first)
    assert [source.template for source in templates] == before
    derived = [one for one in first if _found(one)]
    assert len(derived) >= len(first) * 0.6  # the other checkers find the rest; `make check` runs them


@pytest.mark.parametrize(
    "words", [["sixty"], ["60", "30"], ["--seed=x"], ["--seed=1", "--seed=2"], ["--seed", "1", "2"]]
)
def test_words_that_are_no_number_and_no_seed_are_refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["generated", *words])
    assert program.main() == 2
    assert "[--seed=NUMBER]" in capsys.readouterr().err


def _found(candidate: Candidate) -> bool:
    template = candidate.mutant()
    findings = chain(api_models.findings(template), relations.findings(template, candidate.source.environment))
    return next(findings, None) is not None


def _source(resources: dict[str, object]) -> Source:
    return Source("t", {"Resources": resources}, ENVIRONMENT)


def test_an_order_that_a_reference_implies_is_no_fault() -> None:
    source = _source({
        "A": {"Type": "T", "Properties": {"B": {"Ref": "B"}}, "DependsOn": ["B", "C"]},
        "B": {"Type": "T", "Properties": {}},
        "C": {"Type": "U", "Properties": {}},
    })  # fmt: skip
    (only,) = links.unordered(source)
    assert only.mutant()["Resources"]["A"]["DependsOn"] == ["B"]


def test_an_action_that_another_statement_allows_is_no_fault() -> None:
    allow = {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "a"}
    source = _source({
        "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
        "User": {"Type": "AWS::SageMaker::Model", "Properties": {"ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}},
        "Policy": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": [
            allow, {**allow, "Resource": "*"}, {**allow, "Action": "s3:GetObject"},
        ]}}},
    })  # fmt: skip
    assert [one.what.split(",")[0] for one in links.unallowed(source)] == [
        "without kms:Decrypt",
        "without s3:GetObject",
    ]


def test_the_table_counts_by_kind_and_too_few_are_a_problem(templates: list[Source]) -> None:
    one, other = run.samples(templates, 1)[:2]
    verdicts = [run.Verdict(one, "relations", True), run.Verdict(other, "", False)]
    lines = list(run.table(verdicts))
    assert lines[-1].split()[:5] == ["all", "2", "1", "50%", "50%"]
    assert not run.enough(verdicts)
    assert run.outcome(verdicts, []).problems == [f"no checker finds {other}"]
    assert run.outcome(verdicts[:1], ["x"]).problems == ["x"]
