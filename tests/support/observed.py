"""An environment as commands observe it: an endpoint of two components, of which one has a plan."""

from __future__ import annotations

from typing import Any

from cdk_sglang.observability.observed import observed_endpoint
from cdk_sglang.observability.observed_fleet import ObservedFleet
from cdk_sglang.planning import FleetRequest, Hosting, plan_fleet, resolve
from cdk_sglang.planning.own import NOTHING_OWN
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.image_facts import SglangDlc
from cdk_sglang.spec.model import Model
from cdk_sglang.spec.scaling import ComponentScaling

MODEL = Model(s3="s3://models/qwen/", id="Qwen/Qwen3-8B")
LLAMA, QWEN = "prod-chat-llama", "prod-chat-qwen"


def observed(*, least: int = 0, **options: Any) -> ObservedFleet:
    """An environment with an endpoint of two components."""
    components = {
        "llama": Component(model=MODEL, scaling=ComponentScaling(min_copies=least, max_copies=4)),
        "qwen": Component(model=Model(s3="s3://models/mine/", weights_gib=15.0)),
    }
    where = Hosting(
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=3),
        image=SglangDlc.V0_5_17_UBUNTU.facts,
        region="us-east-1",
    )
    resolved = resolve("chat", components, where, path="endpoints.chat", own=NOTHING_OWN)
    plan = plan_fleet(FleetRequest(environment="prod", region="us-east-1", endpoints=(resolved.request(),)))
    endpoint = observed_endpoint(resolved, endpoint_name="prod-chat", plan=plan.endpoints[0])
    defaults: dict[str, Any] = {"stack_names": ("cdk-sglang-prod-chat",), "enrichment": True}
    return ObservedFleet(environment="prod", region=None, endpoints=(endpoint,), **(defaults | options))
