"""Specification of one model on an endpoint."""

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
    the task the model was made for. All tasks except chat need an image of this project."""
    copies: int | None = Field(default=None, ge=1, le=1000)
    """Number of copies at the first deployment, each with its GPUs on one instance; by default 1, or the minimum of scaling."""
    scaling: ComponentScaling | None = None
    """Bounds within which load and schedules change the number of copies; without scaling it does not change."""
    load: Load = Load()
    """Requests that callers are expected to send."""
    placement: Placement | None = None
    """How copies are placed on instances; SageMaker decides by default."""
    slo: Slo | None = None
    """Service level objectives for latency and availability; without them, latency is not checked."""
    resources: HostResources | None = None
    """Host cores and memory of a copy; by default half of the share that belongs to its GPUs."""
    startup: StartupTimeouts | None = None
    """Start-up time-outs; by default derived from the size of the weights."""
    rollout: ComponentRollout | None = None
    """How a new version reaches the copies; all at once and without alarms by default."""
    smoke: SmokeRequest | None = None
    """The request that checks after a deployment that the component answers; that of `verify` by default."""
    team: Name | None = None
    """Team that its cost is attributed to: a tag on its SageMaker resources, and a column in the showback reports."""
    adapters: dict[Name, Adapter] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """LoRA adapters on the model, by name; require server.lora and an image of this project."""
    tp_size_by_type: dict[InstanceName, Annotated[int, Field(ge=1, le=64)]] = Field(default={})
    """Tensor-parallel size (GPUs that a forward pass is split over) by instance type of a pool; for other types server.tp_size, or the smallest
    number of GPUs that holds the model."""
    environment: dict[str, str] = Field(default={})
    """Additional environment variables of the container; never secrets."""
    speculative: Speculative | None = None
    """A draft that is trained or supplied, measured, and served only if it is faster. SGLang's options in server.speculative take effect without
    a measurement."""
    fit_check: NoFitCheck | None = None
    """Reason to skip the check that the model fits its memory, GPUs and context; checked by default."""

    @property
    def first_copies(self) -> int:
        """Number of copies at the first deployment."""
        if self.copies is not None:
            return self.copies
        return max(1, 0 if self.scaling is None else self.scaling.min_copies)
