"""Rights that the library gives its own roles are in the roles; rights that authors grant are beside them, and both are waited for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from cdk_sglang import InferenceEndpoint, ModelSource, ServingImage
from cdk_sglang.serving.shared.own_policy import POLICY_NAME, give, keep_rights_inside
from tests.serving.conftest import MakeEndpoint
from tests.support.policies import Rights

_ROLE_MAX = 10_240
_MODEL = ModelSource.from_s3("s3://models/llama/", check=False)


def _statement(number: int, characters: int = 100) -> iam.PolicyStatement:
    name = f"{number}-".ljust(characters, "x")
    return iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::bucket/{name}"])


def _role(stack: cdk.Stack) -> iam.Role:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    return keep_rights_inside(role)


def _documents(stack: cdk.Stack) -> tuple[list[Any], list[Any]]:
    """Return the policies in the one role, and those beside it, without those that CDK manages."""
    template = Template.from_stack(stack)
    (role,) = template.find_resources("AWS::IAM::Role").values()
    beside = template.find_resources("AWS::IAM::Policy").values()
    return role["Properties"].get("Policies", []), [one["Properties"] for one in beside]


def _inline(stack: cdk.Stack) -> int:
    written = [one["PolicyDocument"] for kind in _documents(stack) for one in kind]
    return len(json.dumps(written, separators=(",", ":")))


def test_rights_of_the_library_are_no_resource_of_their_own(stack: cdk.Stack) -> None:
    give(_role(stack), _statement(1))
    inside, beside = _documents(stack)
    assert [one["PolicyName"] for one in inside] == [POLICY_NAME]
    assert beside == []


def test_a_role_without_rights_has_no_empty_policy(stack: cdk.Stack) -> None:
    _role(stack)
    assert _documents(stack) == ([], [])


def test_a_right_that_is_given_after_a_synth_is_not_lost(stack: cdk.Stack) -> None:
    app, role = stack.node.root, _role(stack)
    assert isinstance(app, cdk.App)
    give(role, _statement(1))
    app.synth()
    give(role, _statement(2))
    written = json.dumps(app.synth(force=True).get_stack_by_name(stack.stack_name).template)
    assert all(f"bucket/{number}-" in written for number in (1, 2))


@pytest.mark.parametrize("library", [1, 10, 30, 60, 90])
@pytest.mark.parametrize("author", [0, 10, 60, 90])
def test_inline_policies_keep_iams_limit_however_many_rights_there_are(
    stack: cdk.Stack, library: int, author: int
) -> None:
    role = _role(stack)
    for number in range(library):
        give(role, _statement(number))
    for number in range(author):
        role.add_to_policy(_statement(1000 + number))
    assert _inline(stack) <= _ROLE_MAX
    inside, _ = _documents(stack)
    assert bool(inside) == (library + author <= 40)
    # An update that moves rights into the role has them twice, until CloudFormation cleans up.
    assert len(json.dumps(inside)) + _inline(stack) <= _ROLE_MAX or not inside
    rights = Rights(stack, role)
    grants = [(number, library) for number in range(library)] + [(1000 + number, author) for number in range(author)]
    assert all(rights.permits("s3:GetObject", f"arn:aws:s3:::bucket/{f'{one}-'.ljust(100, 'x')}") for one, _ in grants)


def test_one_more_right_moves_none_out_of_the_role() -> None:
    """CloudFormation would take it from the role before it writes the policy beside it."""
    counts = range(10, 31, 5)
    written = []
    for count in counts:
        stack = cdk.Stack(cdk.App(), "Test")
        role = _role(stack)
        for number in range(count):
            give(role, _statement(number))
        inside, beside = _documents(stack)
        written.append(inside[0]["PolicyDocument"]["Statement"])
        others = [one for policy in beside for one in policy["PolicyDocument"]["Statement"]]
        assert len(written[-1]) + len(others) == count
    assert written[0] == written[-1][: len(written[0])]
    assert all(len(one) > 10 and one == written[-1] for one in written[2:])


def test_what_an_author_grants_is_beside_the_role_and_waited_for(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint()
    endpoint.add_component("llama", model=_MODEL)
    endpoint.role.add_to_principal_policy(_statement(1))
    inside, (beside,) = _documents(stack)
    assert "bucket/1-" not in json.dumps(inside)
    assert [one["Resource"].startswith("arn:aws:s3:::bucket/1-") for one in beside["PolicyDocument"]["Statement"]] == [
        True
    ]
    (model,) = Template.from_stack(stack).find_resources("AWS::SageMaker::Model").values()
    assert beside["PolicyName"] in model["DependsOn"]
    assert beside["Roles"][0]["Ref"] in model["DependsOn"]


def test_a_repository_and_a_key_may_name_the_role_in_their_policies(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    """The role waits for neither then: its rights on them are beside it."""
    repository, key = ecr.Repository(stack, "Images"), kms.Key(stack, "Key")
    image = ServingImage.from_repository(repository, tag="v1", cuda="13.0", sglang_version="0.5.23")
    endpoint: InferenceEndpoint = any_endpoint(image=image)
    endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/", key=key, check=False))
    named = iam.PolicyStatement(principals=[endpoint.role], actions=["kms:Decrypt"], resources=["*"])
    key.add_to_resource_policy(named)
    repository.add_to_resource_policy(iam.PolicyStatement(principals=[endpoint.role], actions=["ecr:BatchGetImage"]))
    resources = Template.from_stack(stack).to_json()["Resources"]
    (role,) = (one for one in resources.values() if one["Type"] == "AWS::IAM::Role")
    assert "Policies" in role["Properties"]
    assert "Fn::GetAtt" not in json.dumps(role["Properties"])
    rights = Rights(stack, endpoint.role)
    assert rights.permits("s3:GetObject", "arn:aws:s3:::models/llama/config.json")


def test_the_report_of_roles_that_are_made_beforehand_has_the_rights(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Fleet")
    iam.Role.customize_roles(stack, use_precreated_roles={"Fleet/Role": "mine"})
    give(_role(stack), _statement(1))
    app.synth()
    assert "bucket/1-" in (tmp_path / "iam-policy-report.json").read_text()
