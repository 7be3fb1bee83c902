"""One model on an endpoint, as it is specified."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cdk_sglang.engine import SglangOptions
from cdk_sglang.spec.adapter import Adapter
from cdk_sglang.spec.fit_check import NoFitCheck
from cdk_sglang.spec.kinds import InstanceName, Name
from cdk_sglang.spec.load import Load
from cdk_sglang.spec.model import Model
from cdk_sglang.spec.placement import Placement
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.rollout import ComponentRollout
from cdk_sglang.spec.scaling import ComponentScaling
from cdk_sglang.spec.slo import Slo
from cdk_sglang.spec.speculative import Speculative
from cdk_sglang.spec.startup import StartupTimeouts
from cdk_sglang.spec.task import Task
from cdk_sglang.spec.verification import SmokeRequest
from cdk_sglang.validation import Spec


class Component(Spec):
    """One model on an endpoint."""

    _noun: ClassVar[str] = "component"

    model: Model
    """The model."""
    server: SglangOptions = SglangOptions()
    """SGLang's options."""
    task: Task | None = None
    """What a request asks for: a chat, the completion of a text, embeddings, scores of documents (rerank), or a class (classify); by default
    what the model was made for. All but chat need an image of this project."""
    copies: int | None = Field(default=None, ge=1, le=1000)
    """Copies at the first deployment, each with its GPUs on one instance: 1 by default, or as many as scaling keeps at least."""
    scaling: ComponentScaling | None = None
    """Bounds between which load and hours change the copies; without them the copies stay as they are."""
    load: Load = Load()
    """Requests that callers are expected to send."""
    placement: Placement | None = None
    """How copies are placed on instances; SageMaker's own way by default."""
    slo: Slo | None = None
    """Latency objectives; without them nothing about speed is checked."""
    resources: HostResources | None = None
    """Host cores and memory of a copy; by default half of what goes with its GPUs."""
    startup: StartupTimeouts | None = None
    """Start-up time-outs; by default derived from the size of the weights."""
    rollout: ComponentRollout | None = None
    """How a new version reaches the copies; all at once and without alarms by default."""
    smoke: SmokeRequest | None = None
    """The request that shows after a deployment that the component answers; that of `verify` by default."""
    team: Name | None = None
    """Team that answers for its cost: a tag of its SageMaker resources, and a column of the showback reports."""
    adapters: dict[Name, Adapter] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """LoRA adapters on the model, by name; needs server.lora and an image of this project."""
    tp_size_by_type: dict[InstanceName, Annotated[int, Field(ge=1, le=64)]] = Field(default={})
    """GPUs a forward pass is split over on some types of a pool; on the others server.tp_size, or the fewest that hold the model."""
    environment: dict[str, str] = Field(default={})
    """Further environment variables of the container; never secrets."""
    speculative: Speculative | None = None
    """A draft that is trained or taken, measured, and served only if it is faster; SGLang's options of server.speculative serve unmeasured."""
    fit_check: NoFitCheck | None = None
    """Whether the model is held to the memory, the GPUs and the context it has; checked by default, and left out only with a reason."""

    @property
    def first_copies(self) -> int:
        """Copies at the first deployment."""
        if self.copies is not None:
            return self.copies
        return max(1, 0 if self.scaling is None else self.scaling.min_copies)
