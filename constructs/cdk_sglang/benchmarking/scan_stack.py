"""The stack of one instance type of a scan: an endpoint with one copy of a model, rendered by this library's own constructs.

The stack retains no resources when it is deleted, and needs no uploads before its deployment: no assets and no CDK bootstrap.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk

from cdk_sglang.benchmarking.scan_stacks import PREFIX, SCAN_TAG, ScanEndpoint
from cdk_sglang.engine import SglangOptions
from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint
from cdk_sglang.serving.image.image import ServingImage
from cdk_sglang.serving.weights.model_source import ModelSource
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.verification import NoVerification

if TYPE_CHECKING:
    from cdk_sglang.models.facts import ModelFacts

COMPONENT: Final = "model"


def scan_endpoint(
    scan: str, instance: str, *, facts: ModelFacts, weights: str, server: SglangOptions, region: str
) -> ScanEndpoint:
    """Return the endpoint of an instance type, with one copy of the model.

    Args:
        scan: Identifier of the scan, in lower case.
        instance: Instance type.
        facts: The model.
        weights: Place of its files, s3://bucket/prefix/.
        server: SGLang's options.
        region: Region.

    Raises:
        ConfigurationError: The model does not fit, or a value is not allowed.
    """
    name = f"{PREFIX}{scan}-{instance.removeprefix('ml.').replace('.', '-')}"
    image = ServingImage.from_dlc()
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, analytics_reporting=False)
        stack = cdk.Stack(
            app,
            "Scan",
            stack_name=name,
            env=cdk.Environment(region=region),
            synthesizer=cdk.BootstraplessSynthesizer(),
            description=f"cdk-sglang bench scan {scan}: {facts.id} on {instance}; deleted when it is measured",
        )
        endpoint = InferenceEndpoint(
            stack,
            "Endpoint",
            capacity=Capacity.on_demand(instance, max_instances=1),
            image=image,
            endpoint_name=name,
            log_removal=cdk.RemovalPolicy.DESTROY,
            alarms=NoAlarms(reason="lives for minutes, and the scan that made it waits for it"),
            verification=NoVerification(reason="the scan measures it"),
        )
        endpoint.add_component(
            COMPONENT, model=ModelSource.from_s3(weights, facts=facts, model_id=facts.id, check=False), server=server
        )
        cdk.Tags.of(app).add(SCAN_TAG, scan)
        app.synth()
        template: dict[str, Any] = json.loads(Path(folder, f"{stack.artifact_id}.template.json").read_text("utf-8"))
    return ScanEndpoint(
        stack_name=name,
        endpoint_name=name,
        component_name=f"{name}-{COMPONENT}",
        template=json.dumps(template, separators=(",", ":")),
        sglang_version=image.facts.sglang_version,
    )
