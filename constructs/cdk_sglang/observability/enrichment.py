"""OTel enrichment of an account and Region, with which CloudWatch answers PromQL over the metrics of SGLang and the GPUs.

Both resources exist once per account and Region, and affect everybody in it
(https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-getting-started.html, read 2026-11).
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_observabilityadmin as observabilityadmin
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.observability.enrichment_cost import COST


class OtelEnrichment(Construct):
    """Turns on OTel enrichment for the whole account and Region.

    Deploying it fails if enrichment is already on, since each resource can exist only once. Removing it from the stack, or deleting the stack,
    keeps enrichment on: turning it off would empty the dashboards and silence the PromQL alarms of everybody in the account. To turn it off, run
    `aws cloudwatch stop-otel-enrichment` and `aws observabilityadmin stop-telemetry-enrichment`.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
    """

    @checked("{construct_id}")
    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        telemetry = observabilityadmin.CfnTelemetryEnrichment(self, "Telemetry", scope="ACCOUNT")
        # No filters: it is not documented under which namespace AWS counts SGLang's and the GPUs' metrics, so a filter might exclude them.
        metrics = cloudwatch.CfnOTelEnrichment(self, "Metrics")
        metrics.add_resource_dependency(telemetry)
        for resource in (telemetry, metrics):
            resource.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        cdk.Annotations.of(self).add_info(
            f"OTel enrichment is turned on for every metric of this account and Region, and stays on when the stack goes: {COST}"
        )
