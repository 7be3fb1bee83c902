"""Specification of an endpoint: instances, and the models that share them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.endpoint_rollout import EndpointRollout
from cdk_sglang.spec.idle_alarm import IdleAlarm
from cdk_sglang.spec.image import Image
from cdk_sglang.spec.kinds import Name
from cdk_sglang.spec.routing import PrefixAwareRouting
from cdk_sglang.spec.schedules import NightlyStop
from cdk_sglang.spec.verification import Verification
from cdk_sglang.validation import Spec


class Endpoint(Spec):
    """Instances, and the models that share them."""

    _noun: ClassVar[str] = "endpoint"

    capacity: Capacity
    """GPU instances."""
    image: Image | None = None
    """The serving container; the environment's by default."""
    routing: PrefixAwareRouting | None = None
    """How requests are distributed; to the copy with the fewest outstanding requests by default."""
    network_isolation: bool = True
    """Whether containers run without network access and credentials; SageMaker then downloads the weights."""
    metric_frequency_seconds: Literal[10, 30, 60, 120, 180, 240, 300] = 60
    """Interval at which utilisation metrics are published, in seconds."""
    idle_alarm: IdleAlarm = IdleAlarm()
    """When idle GPUs raise an alarm."""
    nightly_stop: NightlyStop | None = None
    """Hours during which the endpoint is off and costs nothing; none by default."""
    rollout: EndpointRollout | None = None
    """How a new configuration reaches the instances; by default through a second fleet, all at once and without alarms."""
    verify: Verification = Verification()
    """What is compared with the specification before a deployment is complete; everything by default."""
    components: dict[Name, Component] = Field(min_length=1, json_schema_extra={"additionalProperties": False})
    """The models, by name."""
