"""OTel enrichment of an account: both of its resources, in order, kept, and its price said."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import OtelEnrichment


def _stack() -> cdk.Stack:
    stack = cdk.Stack(cdk.App(), "Enrichment")
    OtelEnrichment(stack, "Enrichment")
    return stack


def test_resource_tags_are_turned_on_before_metrics_are_enriched_with_them() -> None:
    template = Template.from_stack(_stack())
    ((telemetry, resource),) = template.find_resources("AWS::ObservabilityAdmin::TelemetryEnrichment").items()
    assert resource["Properties"] == {"Scope": "ACCOUNT"}
    (metrics,) = template.find_resources("AWS::CloudWatch::OTelEnrichment").values()
    assert metrics["DependsOn"] == [telemetry]


def test_deleting_the_stack_turns_nothing_off_for_the_rest_of_the_account() -> None:
    for resource in Template.from_stack(_stack()).to_json()["Resources"].values():
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_price_is_said_at_synth() -> None:
    price = r"\$0\.50 per GB enriched and \$0\.50 per GB ingested"
    Annotations.from_stack(_stack()).has_info("*", Match.string_like_regexp(price))
