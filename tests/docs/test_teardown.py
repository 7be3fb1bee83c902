"""What outlives its stack is listed in docs/teardown.md."""

from __future__ import annotations

import copy
from pathlib import Path

import aws_cdk as cdk

from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.fleet import add_fleet
from tests.docs.blocks import ROOT
from tests.support.diffs import BASE

ROWS = {
    "AWS::S3::Bucket": ("weights and adapters: a versioned bucket", "access logs of buckets", "reports of"),
    "AWS::ECR::Repository": ("images: the repository",),
    "AWS::KMS::Key": ("KMS key that all of this is encrypted with",),
    "AWS::Logs::LogGroup": ("log groups of components",),
    "AWS::DynamoDB::Table": ("samples' table",),
    "AWS::CloudWatch::OTelEnrichment": ("OTel enrichment",),
    "AWS::ObservabilityAdmin::TelemetryEnrichment": ("OTel enrichment",),
}
"""Beginnings of the rows that speak of a type."""


def test_everything_that_outlives_its_stack_has_a_row(tmp_path: Path) -> None:
    settings = copy.deepcopy(BASE)
    settings["observability"] = {"showback": {"enabled": True}, "enrichment": "enable"}
    settings["agent"] = {"enabled": True, "component": "chat/llama"}
    settings["endpoints"]["chat"]["components"]["llama"]["server"]["tool_call_parser"] = "llama3"
    app = cdk.App(context=cdk_json_context(ROOT / "cdk.json"), outdir=str(tmp_path), analytics_reporting=False)
    environment = check(settings, source="prod.yaml")
    place = cdk.Environment(account=environment.account, region=environment.region)
    add_fleet(app, name="prod", settings=environment, source="prod.yaml", env=place)
    kept = {
        (resource["Type"], stack.stack_name.removeprefix("cdk-sglang-prod-"))
        for stack in app.synth().stacks
        for resource in stack.template["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert {kind for kind, _ in kept} == set(ROWS)
    rows = [line for line in (ROOT / "docs" / "teardown.md").read_text().splitlines() if line.startswith("| ")]
    for kind, stack in kept:
        mine = [row for row in rows if row.startswith(tuple(f"| {begin}" for begin in ROWS[kind]))]
        assert any(stack in row.split("|")[2] or row.split("|")[2].strip() == "all" for row in mine), (kind, stack)
