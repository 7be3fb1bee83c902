"""What stacks/checks.py adds to an app."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker

from stacks.checks import add_checks, cloudformation_validation
from tools.check.assemblies import Assembly

CONTEXT = json.loads((Path(__file__).parents[3] / "cdk.json").read_text())["context"]


def bad_app(folder: Path) -> cdk.App:
    app = cdk.App(outdir=str(folder), context=CONTEXT)
    stack = cdk.Stack(app, "S")
    s3.CfnBucket(stack, "Bucket")
    sagemaker.CfnInferenceComponent(
        stack,
        "Adapter",
        endpoint_name="chat",
        specification=sagemaker.CfnInferenceComponent.InferenceComponentSpecificationProperty(
            base_inference_component_name="llama",
            compute_resource_requirements=sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty(
                min_memory_required_in_mb=1
            ),
        ),
    )
    return app


def test_four_packs_our_rules_and_cdks_own_report_in_one_synth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    app = bad_app(tmp_path)
    add_checks(app)
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    capfd.readouterr()
    plugins = [
        report["pluginName"]
        for report in json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"]
    ]
    assert len(plugins) == len(set(plugins)) == 5, "each once: CDK's own rules must not run twice"
    found = Assembly(environment="dev", folder=tmp_path).finding_problems()
    for expected in (
        "S/Adapter: ADAPTER_HAS_NO_COMPUTE: ",
        "S/Adapter: F3034: ",
        "S/Bucket: AwsSolutions-S1: ",
        "S/Bucket: NIST.800.53.R5-S3BucketVersioningEnabled: ",
        "S/Bucket: HIPAA.Security-S3BucketVersioningEnabled: ",
        "S/Bucket: PCI.DSS.321-S3BucketVersioningEnabled: ",
    ):
        assert [line for line in found if line.startswith(f"dev: {expected}")], f"{expected} not in {found}"


def test_a_rule_of_ours_is_acknowledged_beside_its_resource(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    app = bad_app(tmp_path)
    adapter = app.node.find_child("S").node.find_child("Adapter")
    cdk.Validations.of(adapter).acknowledge(
        cdk.Acknowledgment(id="CloudFormation-Validate::ADAPTER_HAS_NO_COMPUTE", reason="a test of acknowledging")
    )
    cdk.Validations.of(app).add_plugins(cloudformation_validation())
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    capfd.readouterr()
    found = Assembly(environment="dev", folder=tmp_path).finding_problems()
    assert [line for line in found if "ADAPTER_NEEDS_ARTIFACT" in line]
    assert not [line for line in found if "ADAPTER_HAS_NO_COMPUTE" in line]


def test_nothing_is_added_when_validation_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[object] = []
    monkeypatch.setattr(cdk.Validations, "add_plugins", lambda _, *plugins: added.extend(plugins))
    app = bad_app(tmp_path)
    monkeypatch.setenv("CDK_VALIDATION", "false")
    add_checks(app)
    assert added == []
    monkeypatch.delenv("CDK_VALIDATION")
    add_checks(app)
    assert len(added) == 5
