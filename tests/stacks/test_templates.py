"""Templates of the four environments: whole as snapshots, and what must hold of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from aws_cdk.assertions import Template
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from cdk_sglang.planning.digits import significant
from tools.check.metric_names import findings
from tools.check.metric_uses import own_metrics, uses

STACKS = (
    ("local", "cdk-sglang-local-foundation"),
    ("local", "cdk-sglang-local-chat"),
    ("local", "cdk-sglang-local-chat-alarms"),
    ("local", "cdk-sglang-local-dashboards"),
    ("local", "cdk-sglang-local-enrichment"),
    ("local", "cdk-sglang-local-observability"),
    ("dev", "cdk-sglang-dev-foundation"),
    ("dev", "cdk-sglang-dev-chat"),
    ("dev", "cdk-sglang-dev-chat-alarms"),
    ("dev", "cdk-sglang-dev-dashboards"),
    ("dev", "cdk-sglang-dev-observability"),
    ("staging", "cdk-sglang-staging-foundation"),
    ("staging", "cdk-sglang-staging-shared"),
    ("staging", "cdk-sglang-staging-shared-alarms"),
    ("staging", "cdk-sglang-staging-dashboards"),
    ("staging", "cdk-sglang-staging-observability"),
    ("staging", "cdk-sglang-staging-speculative"),
    ("staging", "cdk-sglang-staging-agent"),
    ("prod", "cdk-sglang-prod-foundation"),
    ("prod", "cdk-sglang-prod-reasoning"),
    ("prod", "cdk-sglang-prod-reasoning-alarms"),
    ("prod", "cdk-sglang-prod-chat"),
    ("prod", "cdk-sglang-prod-chat-alarms"),
    ("prod", "cdk-sglang-prod-dashboards"),
    ("prod", "cdk-sglang-prod-observability"),
)
Fleets = dict[str, dict[str, Template]]


def _scrubbed(template: Template) -> Any:
    """Replace hashes of assets, which change with their bytes, and CDK's own bootstrap boilerplate by words; unfold dashboards."""
    content = template.to_json()
    content.get("Parameters", {}).pop("BootstrapVersion", None)
    content.pop("Rules", None)
    for resource in template.find_resources("AWS::CloudWatch::Dashboard"):
        properties = content["Resources"][resource]["Properties"]
        if isinstance(properties["DashboardBody"], str):  # that of the agent joins ARNs which only the deployment knows
            properties["DashboardBody"] = json.loads(properties["DashboardBody"])
    return json.loads(re.sub(r"\b[0-9a-f]{64}\b", "<hash>", json.dumps(content)))


@pytest.mark.parametrize(("environment", "stack"), STACKS, ids=[stack for _, stack in STACKS])
def test_a_stack_is_as_it_was_reviewed(
    fleets: Fleets, snapshot: SnapshotAssertion, environment: str, stack: str
) -> None:
    assert _scrubbed(fleets[environment][stack]) == snapshot(extension_class=JSONSnapshotExtension)


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _floats(part)


def test_no_number_of_a_template_has_digits_that_depend_on_the_processor(fleets: Fleets) -> None:
    numbers = [number for stacks in fleets.values() for one in stacks.values() for number in _floats(_scrubbed(one))]
    assert len(numbers) >= 10
    assert [number for number in numbers if significant(number) != number] == []


def test_every_metric_of_a_template_is_one_that_is_published(fleets: Fleets) -> None:
    templates = {name: template.to_json() for stacks in fleets.values() for name, template in stacks.items()}
    published = frozenset[tuple[str, str]]().union(*map(own_metrics, templates.values()))
    assert sum(1 for template in templates.values() for _ in uses(template)) >= 10
    assert {name: list(findings(template, published=published)) for name, template in templates.items()} == {
        name: [] for name in templates
    }


def test_there_are_no_other_stacks(fleets: Fleets) -> None:
    assert {(name, stack) for name, stacks in fleets.items() for stack in stacks} == set(STACKS)


def _resources(fleets: Fleets) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (stack, name, resource)
        for stacks in fleets.values()
        for stack, template in stacks.items()
        for name, resource in template.to_json()["Resources"].items()
    ]


def test_no_stack_nears_the_limit_of_resources(fleets: Fleets) -> None:
    assert max(len(t.to_json()["Resources"]) for stacks in fleets.values() for t in stacks.values()) < 100


def test_stacks_are_tied_by_parameters_and_never_by_exports(fleets: Fleets) -> None:
    for stacks in fleets.values():
        for template in stacks.values():
            text = json.dumps(template.to_json())
            assert "Fn::ImportValue" not in text
            assert not [o for o in template.to_json().get("Outputs", {}).values() if "Export" in o]


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_what_holds_data_outlives_the_stack(fleets: Fleets, environment: str) -> None:
    names = {
        "AWS::S3::Bucket": "BucketName",
        "AWS::ECR::Repository": "RepositoryName",
        "AWS::Logs::LogGroup": "LogGroupName",
    }
    holding = {"AWS::KMS::Key", *names}
    found = [r for s, _, r in _resources({environment: fleets[environment]}) if r["Type"] in holding]
    assert {r["Type"] for r in found} == holding
    for resource in found:
        # One with a name of its own goes when its creation is rolled back: the name would block the next deployment.
        kept = "RetainExceptOnCreate" if names.get(resource["Type"]) in resource["Properties"] else "Retain"
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (kept, "Retain"), resource


def test_what_holds_data_goes_with_the_stack_where_asked(fleets: Fleets) -> None:
    for stack, name, resource in _resources({"local": fleets["local"]}):
        if stack == "cdk-sglang-local-enrichment":  # a setting of the account, which others rely on
            assert resource.get("DeletionPolicy") == "Retain", name
        else:
            assert resource.get("DeletionPolicy", "Delete") == "Delete", name


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_models_are_isolated_inside_a_network_without_a_way_out(fleets: Fleets, environment: str) -> None:
    kinds = [r["Type"] for _, _, r in _resources({environment: fleets[environment]})]
    assert not {"AWS::EC2::NatGateway", "AWS::EC2::InternetGateway"} & set(kinds)
    for _, name, resource in _resources({environment: fleets[environment]}):
        if resource["Type"] in {"AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig"}:
            assert resource["Properties"]["EnableNetworkIsolation"] is True, name
            assert len(resource["Properties"]["VpcConfig"]["Subnets"]) == 2, name


def test_data_at_rest_is_encrypted_with_a_key_of_the_environment(fleets: Fleets) -> None:
    for stack, name, resource in _resources(fleets):
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Logs::LogGroup":
            assert "KmsKeyId" in properties, (stack, name)
        if resource["Type"] == "AWS::ECR::Repository":
            assert properties["EncryptionConfiguration"]["EncryptionType"] == "KMS", (stack, name)
        if resource["Type"] == "AWS::KMS::Key":
            assert properties["EnableKeyRotation"] is True, (stack, name)


def test_buckets_are_private_versioned_and_tls_only(fleets: Fleets) -> None:
    for stacks in fleets.values():
        for template in stacks.values():
            buckets = template.find_resources("AWS::S3::Bucket")
            policies = template.find_resources("AWS::S3::BucketPolicy").values()
            assert {p["Properties"]["Bucket"]["Ref"] for p in policies} == set(buckets)
            assert all("aws:SecureTransport" in json.dumps(policy) for policy in policies)
            for bucket in buckets.values():
                assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
                assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_everything_that_takes_tags_says_which_environment_it_is_of(fleets: Fleets) -> None:
    for environment, stacks in fleets.items():
        for stack, name, resource in _resources({environment: stacks}):
            tags = resource.get("Properties", {}).get("Tags")
            if tags is None:
                continue
            pairs = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
            assert pairs["cdk-sglang:environment"] == environment, (stack, name)
            assert "cost-centre" in pairs, (stack, name)


def test_prod_shares_gpus_as_it_was_asked(fleets: Fleets) -> None:
    reasoning, chat = (fleets["prod"][f"cdk-sglang-prod-{name}"] for name in ("reasoning", "chat"))
    (qwen,) = reasoning.find_resources("AWS::SageMaker::InferenceComponent").values()
    compute = qwen["Properties"]["Specification"]["ComputeResourceRequirements"]
    (copies,) = reasoning.find_resources("Custom::CdkSglangCopies").values()  # its copies scale, so they are kept
    assert (compute["NumberOfAcceleratorDevicesRequired"], copies["Properties"]["Initial"]) == (4, 2)
    chat.has_resource_properties(
        "AWS::SageMaker::EndpointConfig",
        {
            "ProductionVariants": [
                {
                    "InstancePools": [
                        {"InstanceType": "ml.g6e.12xlarge", "Priority": 1},
                        {"InstanceType": "ml.g6e.24xlarge", "Priority": 2},
                    ],
                    "RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"},
                }
            ]
        },
    )
