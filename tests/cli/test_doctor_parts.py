"""Parts of `cdk-sglang doctor` without an account: bounds, the screen, networks that exist, and what an environment needs."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner

from cdk_sglang.cli.doctor import examination as examination_module
from cdk_sglang.cli.doctor import zones
from cdk_sglang.cli.doctor.account import Account, CouldNotCheckError
from cdk_sglang.cli.doctor.check import Check, Finding, Outcome, Result, failure, ok, unknown, warning
from cdk_sglang.cli.doctor.examination import Examination
from cdk_sglang.cli.doctor.identity import BOOTSTRAP_VERSION
from cdk_sglang.cli.doctor.run import run_checks
from cdk_sglang.cli.doctor.show import print_examination
from cdk_sglang.cli.main import app
from cdk_sglang.environments.account_needs import EndpointNeeds, Needs, NetworkNeeds
from cdk_sglang.environments.needs import _AGENT_SERVICES, environment_needs
from cdk_sglang.environments.reading import cdk_json_context, load
from cdk_sglang.planning.own import NOTHING_OWN
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX
from stacks.fleet import add_fleet
from stacks.foundation import _AGENT_ENDPOINTS, _INTERFACE_ENDPOINTS


def test_a_check_that_hangs_is_bounded_and_holds_up_no_other() -> None:
    never = threading.Event()

    def hang() -> Finding:
        never.wait()
        return ok("too late")

    results = run_checks(
        [Check(name="hangs", look=hang), Check(name="quick", look=lambda: ok("here"))], limit_seconds=1.5
    )
    never.set()
    assert [(one.name, one.finding.outcome) for one in results] == [("hangs", Outcome.UNKNOWN), ("quick", Outcome.OK)]
    assert results[0].finding.text == "no answer within 1.5 seconds"


def test_whatever_a_check_raises_is_its_own_finding_alone() -> None:
    def refuse() -> Finding:
        raise CouldNotCheckError("ec2:DescribeSubnets is denied", "ask for it")

    def break_down() -> Finding:
        raise KeyError("Quotas")

    checks = [
        Check(name="refused", look=refuse),
        Check(name="broken", look=break_down),
        Check(name="fine", look=lambda: ok("fine")),
    ]
    refused, broken, fine = (one.finding for one in run_checks(checks))
    assert refused == unknown("ec2:DescribeSubnets is denied", "ask for it")
    assert broken == unknown("KeyError: 'Quotas'", "run it again; report it if that recurs")
    assert fine.outcome is Outcome.OK


EXAMINATION = Examination(
    environment="prod",
    region="us-east-1",
    results=(
        Result(
            name="identity", finding=ok("account 123456789012, Region us-east-1, as arn:aws:iam::123456789012:user/me")
        ),
        Result(
            name="quota: ml.p5en.48xlarge",
            finding=failure(
                "'ml.p5en.48xlarge for endpoint usage' (L-12345678) is 0: at most 2 here, 0 run on the account's other endpoints",
                "request 2: aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-12345678",
            ),
        ),
        Result(name="names: log groups", finding=warning("one exists", "deploy imports it")),
        Result(name="OTel enrichment", finding=unknown("cloudwatch:GetOTelEnrichment is denied", "ask for it")),
    ),
)


@pytest.mark.parametrize("width", [60, 140])
def test_the_screen_keeps_its_width_and_loses_nothing(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_examination(EXAMINATION, console)
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    screen = " ".join(" ".join(lines).split())
    assert screen.startswith("prod in us-east-1")
    assert screen.endswith("1 ok, 1 warning, 1 failure, 1 could not check: a deployment would fail")
    assert "--quota-code" in screen
    assert "L-12345678" in screen
    if width == 60:
        assert "failure  quota: ml.p5en.48xlarge" in lines
        assert "  next: deploy imports it" in lines
    else:
        assert any(line.startswith("warning          names: log groups") for line in lines)


def test_json_has_every_check_and_the_counts() -> None:
    content = json.loads(json.dumps(EXAMINATION.as_json()))
    assert content["failed"]
    assert content["counts"] == {"ok": 1, "warning": 1, "failure": 1, "could not check": 1}
    assert content["checks"][0]["next_step"] is None
    assert content["checks"][2] == {
        "name": "names: log groups", "outcome": "warning", "text": "one exists", "next_step": "deploy imports it",
    }  # fmt: skip


# --- a network that exists --------------------------------------------------------------------------------------------


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    import boto3

    with mock_aws():
        yield boto3.client("ec2", region_name="us-east-1")


def subnet(ec2: Any, vpc: str, zone: str, block: int) -> str:
    answer = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{block}.0/24", AvailabilityZone=zone)
    return str(answer["Subnet"]["SubnetId"])


def group(ec2: Any, vpc: str, name: str) -> str:
    return str(ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"])


def looked_at(subnets: list[str], groups: list[str], *, most: int = 1) -> dict[str, Finding]:
    network = NetworkNeeds(vpc="existing", subnet_ids=tuple(subnets), security_group_ids=tuple(groups))
    endpoint = EndpointNeeds(
        name="chat", endpoint_name="prod-chat", stack_name="s", component_names=(), log_groups=(),
        types=("ml.p5en.48xlarge",), max_instances=most,
    )  # fmt: skip
    needs = Needs(
        environment="prod", account=None, region=None, planned_region="us-east-1", stack_names=(), foundation_stack="f",
        bucket_parameter="b", key_parameter="k", images_repository="i", endpoints=(endpoint,), network=network,
    )  # fmt: skip
    results = run_checks(list(zones.checks(needs, Account("us-east-1"))))
    return {one.name: one.finding for one in results}


def test_a_network_that_exists_is_looked_at_line_by_line(ec2: Any) -> None:
    vpc, other = (ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in "12")
    a, c, b = subnet(ec2, vpc, "us-east-1a", 1), subnet(ec2, vpc, "us-east-1c", 2), subnet(ec2, vpc, "us-east-1b", 3)
    mine, foreign = group(ec2, vpc, "mine"), group(ec2, other, "foreign")
    found = looked_at([a, c], [mine])
    assert found["network: route to S3"].outcome is Outcome.FAILURE
    assert "have no route to S3" in found["network: route to S3"].text
    (table, *_) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table["RouteTableId"]])
    assert {one.outcome for one in looked_at([a, c], [mine]).values()} == {Outcome.OK}

    def wrong(subnets: list[str], groups: list[str]) -> dict[str, str]:
        return {name: one.text for name, one in looked_at(subnets, groups).items() if one.outcome is Outcome.FAILURE}

    assert wrong([a, c], [foreign]) == {
        "network: security groups": f"{foreign} are not of {vpc}, whose subnets are named"
    }
    assert wrong([a, subnet(ec2, vpc, "us-east-1a", 4)], [mine]) == {
        "network: subnets": "all subnets are in us-east-1a"
    }
    assert "sg-0123456789abcdef0" in wrong([a, c], ["sg-0123456789abcdef0"])["network: security groups"]
    gone = looked_at([a, "subnet-0123456789abcdef0"], [mine])["network: subnets"]
    assert gone == failure(gone.text, "name subnets of this account and Region in network.subnet_ids")
    answer = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.9.0/28", AvailabilityZone="us-east-1a")
    tiny = answer["Subnet"]["SubnetId"]
    few = looked_at([tiny, c], [mine], most=300)["network: subnets"]
    assert few.text == "the subnets have 262 free addresses, and up to 300 instances join them"
    assert set(wrong([b, subnet(ec2, vpc, "us-east-1d", 5)], [mine])) == {"zones: ml.p5en.48xlarge"}


# --- what an environment needs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def assembly() -> Any:
    stage = cdk.App(context=cdk_json_context())
    settings = load("staging")  # which has an agent and drafts
    env = cdk.Environment(account=settings.account, region=settings.region)
    add_fleet(stage, name="staging", settings=settings, source="staging.yaml", env=env, own=NOTHING_OWN)
    return stage.synth()


def test_the_needs_of_an_environment_are_those_of_its_templates(assembly: Any) -> None:
    needs = environment_needs("staging")
    assert sorted(needs.stack_names) == sorted(stack.stack_name for stack in assembly.stacks)
    resources = [one for stack in assembly.stacks for one in stack.template["Resources"].values()]

    def named(kind: str, key: str) -> set[str]:
        values = (one.get("Properties", {}).get(key) for one in resources if one["Type"] == kind)
        return {value for value in values if isinstance(value, str)}

    (endpoint,) = needs.endpoints
    assert named("AWS::SageMaker::Endpoint", "EndpointName") == {endpoint.endpoint_name}
    assert named("AWS::SageMaker::InferenceComponent", "InferenceComponentName") == set(endpoint.component_names)
    groups = {name for name in named("AWS::Logs::LogGroup", "LogGroupName") if name.startswith("/aws/sagemaker/")}
    assert groups == set(endpoint.log_groups)
    assert all(name.startswith((COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX)) for name in groups)
    assert named("AWS::ECR::Repository", "RepositoryName") == {needs.images_repository}
    assert {needs.bucket_parameter, needs.key_parameter} <= named("AWS::SSM::Parameter", "Name")


def test_the_bootstrap_version_is_the_lowest_that_the_templates_accept(assembly: Any) -> None:
    for stack in assembly.stacks:
        (rule,) = stack.template["Rules"]["CheckBootstrapVersion"]["Assertions"]
        (contains,) = rule["Assert"]["Fn::Not"]
        refused = contains["Fn::Contains"][0]
        assert max(map(int, refused)) == BOOTSTRAP_VERSION - 1


def test_the_services_of_interface_endpoints_are_the_foundations() -> None:
    needs = environment_needs("staging")
    names = [service.short_name for service in _INTERFACE_ENDPOINTS.values()]
    assert list(needs.network.services) == names
    assert list(_AGENT_SERVICES) == [service.short_name for service in _AGENT_ENDPOINTS.values()]


def test_an_image_of_aws_is_asked_for_by_its_digest_where_the_file_has_one(tmp_path: Path) -> None:
    tag, digest = "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker", f"sha256:{'d' * 64}"
    (tmp_path / "pinned.yaml").write_text(
        f"""
region: us-east-1
network: {{vpc: none}}
image: {{dlc: {tag}, digest: "{digest}"}}
endpoints:
  chat:
    capacity: {{type: ml.g6e.2xlarge, max_instances: 1}}
    components: {{qwen: {{model: {{id: Qwen/Qwen3-8B, prefix: weights/q/}}, server: {{context_length: 8192}}}}}}
"""
    )
    (image,) = environment_needs("pinned", folder=tmp_path).images
    assert (image.name, image.tag, image.digest) == (f"sglang:{tag}@{digest}", tag, digest)


def test_an_app_of_ones_own_is_examined_by_its_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    examined_needs: list[Needs] = []

    def examine(needs: Needs, **_: object) -> Examination:
        examined_needs.append(needs)
        return EXAMINATION

    (tmp_path / "myapp.py").write_text("from cdk_sglang.environments.needs import environment_needs as mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CDK_SGLANG_NEEDS", "myapp:mine")
    monkeypatch.setattr(examination_module, "examine", examine)
    done = CliRunner().invoke(app, ["doctor", "--env", "dev"])
    assert done.exit_code == 1
    assert [needs.environment for needs in examined_needs] == ["dev"]
    assert "quota: ml.p5en.48xlarge" in done.stdout
