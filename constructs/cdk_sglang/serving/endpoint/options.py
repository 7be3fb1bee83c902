"""The options of an endpoint, as a value that its parts share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning import Hosting

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.serving.endpoint.network import EndpointNetwork
    from cdk_sglang.serving.image.image import ServingImage
    from cdk_sglang.serving.shared.log_options import LogOptions
    from cdk_sglang.spec.alarms import NoAlarms
    from cdk_sglang.spec.idle_alarm import IdleAlarm
    from cdk_sglang.spec.routing import Routing
    from cdk_sglang.spec.verification import Verification


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """Options that an author chose for an endpoint.

    Attributes:
        hosting: Settings of the endpoint that decide how its components run: instances, image, Region, hours, rollout.
        image: Serving container.
        routing: How requests are distributed over copies.
        network: Subnets and security groups; None for SageMaker's own network.
        network_isolation: Whether containers run without network access and credentials.
        inference_ami: AMI of the instances; None for the one that suits image and GPU.
        log_options: Retention, key and removal of log groups.
        metric_frequency_seconds: Interval at which utilisation metrics are published, in seconds.
        alarms: Targets that alarms notify; None if unspecified.
        idle_alarm: When idle GPUs raise an alarm.
        verification: What is compared with the specification after a deployment.
        role: The author's own execution role; None for a new one.
        enrichment: Whether CloudWatch answers PromQL queries over SGLang's metrics (OTel enrichment of the account).
    """

    hosting: Hosting
    image: ServingImage
    routing: Routing
    network: EndpointNetwork | None
    network_isolation: bool
    inference_ami: str | None
    log_options: LogOptions
    metric_frequency_seconds: int
    alarms: Alarms | NoAlarms | None
    idle_alarm: IdleAlarm
    verification: Verification
    role: iam.IRole | None = None
    enrichment: bool = False
