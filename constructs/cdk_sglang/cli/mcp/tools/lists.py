"""`list_models` and `list_instances`: what the planner knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import Field

from cdk_sglang.cli.mcp.tool import ROWS_MAX, Count, Limit, Region, Tool, bounded
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, PriceTable
    from cdk_sglang.models.facts import ModelFacts

Part: TypeAlias = Annotated[str, Field(max_length=100)]
"""Part of a name."""


class FindModels(Spec):
    """Which models to list."""

    contains: Part = ""
    """Part of the id, in any case; every model by default."""

    limit: Limit = ROWS_MAX
    """Maximum number of rows to return."""


class ModelRow(Spec):
    """A model."""

    id: str
    """Its id."""

    parameters_billion: float
    """Parameters, in billions."""

    active_parameters_billion: float
    """Those that one token uses."""

    weights_format: str
    """Format of its weights."""

    weights_gib: float
    """GiB of weights."""

    kv_bytes_per_token: int | None
    """Bytes of a token in the KV cache, over all GPUs of a copy; null if its layers are unknown."""

    context_length: int | None
    """Its own limit, in tokens."""

    is_own: bool
    """Whether it comes from environments/models, not from the package's catalogue."""


class Models(Spec):
    """Models."""

    models: list[ModelRow]
    """The models."""

    more: Count
    """Models left out; ask with contains."""


class FindInstances(Spec):
    """Which instance types to list."""

    contains: Part = ""
    """Part of the type's or of its GPU's name, in any case; every type by default."""

    min_gpus: Annotated[int, Field(ge=1)] = 1
    """Minimum number of GPUs."""

    min_gpu_memory_gib: Annotated[float, Field(ge=0)] = 0
    """Minimum free GiB on each GPU before a model is loaded."""

    region: Region = "us-east-1"
    """Region of the prices."""

    limit: Limit = ROWS_MAX
    """Maximum number of rows to return."""


class InstanceRow(Spec):
    """An instance type."""

    type: str
    """Its name."""

    gpus: int
    """GPUs."""

    gpu: str
    """What each of them is."""

    gpu_memory_gib: float
    """GiB free on each GPU before a model is loaded."""

    vcpus: int
    """Virtual CPUs."""

    memory_gib: float
    """Host memory, GiB."""

    nvme_gb: float
    """Local NVMe, GB; 0 without any."""

    can_be_reserved: bool
    """Whether a training plan can reserve it for an endpoint."""

    usd_per_hour: float | None
    """US dollars per instance and hour, on demand; null if no price is known."""

    price_date: str | None
    """Day of the price."""

    price_is_estimate: bool
    """Whether the price was inferred from another Region or service."""


class Instances(Spec):
    """Instance types, family by family and smallest first."""

    instances: list[InstanceRow]
    """The types."""

    more: Count
    """Types left out; ask with contains or min_gpus."""


def _models(query: FindModels, workspace: Workspace) -> Models:
    from cdk_sglang.cli.models import known_models
    from cdk_sglang.cli.own import own_models

    found = known_models(own_models(folder=workspace.environments()))
    rows, more = bounded((one for one in found if query.contains.lower() in one.id.lower()), query.limit)
    return Models(models=[_model_row(facts) for facts in rows], more=more)


def _model_row(facts: ModelFacts) -> ModelRow:
    from cdk_sglang.cli.models import cache_bytes_per_token

    shape, cache = facts.architecture, cache_bytes_per_token(facts)
    return ModelRow(
        id=facts.id,
        parameters_billion=round(shape.parameters / 1e9, 3),
        active_parameters_billion=round(shape.active_parameters / 1e9, 3),
        weights_format=shape.quantization.method,
        weights_gib=round(facts.weights_gib, 2),
        kv_bytes_per_token=None if cache is None else round(cache),
        context_length=shape.max_position_embeddings,
        is_own=bool(facts.file),
    )


def _instances(query: FindInstances, workspace: Workspace) -> Instances:
    from cdk_sglang.cli.own import own_prices
    from cdk_sglang.hardware import GpuInstance

    prices, part = own_prices(folder=workspace.environments()), query.contains.lower()
    found = (
        one
        for one in GpuInstance.all()
        if part in f"{one.name} {one.gpu.name}".lower()
        and one.gpu_count >= query.min_gpus
        and one.gpu.memory_gib >= query.min_gpu_memory_gib
    )
    rows, more = bounded(found, query.limit)
    return Instances(instances=[_instance_row(one, query.region, prices) for one in rows], more=more)


def _instance_row(instance: GpuInstance, region: str, prices: PriceTable | None) -> InstanceRow:
    from cdk_sglang.hardware import price_usd_per_hour

    price = price_usd_per_hour(instance, region, table=prices)
    return InstanceRow(
        type=instance.name,
        gpus=instance.gpu_count,
        gpu=instance.gpu.name,
        gpu_memory_gib=round(instance.gpu.memory_gib, 1),
        vcpus=instance.vcpus,
        memory_gib=instance.memory_gib,
        nvme_gb=instance.nvme_gb,
        can_be_reserved=instance.reservable,
        usd_per_hour=None if price is None else price.usd_per_hour,
        price_date=None if price is None else str(price.date),
        price_is_estimate=price is not None and price.is_estimate,
    )


LIST_MODELS: Final = Tool(
    name="list_models",
    title="List models that the planner knows",
    description=(
        "Models of the catalogue and of the user's own, with size, format, KV cache and context limit. Use it to find a model's exact id. A missing model "
        "is added with the command `cdk-sglang models add owner/name`, which needs a network."
    ),
    takes=FindModels,
    gives=Models,
    answer=_models,
)
LIST_INSTANCES: Final = Tool(
    name="list_instances",
    title="List GPU instance types and prices",
    description="GPU instance types of SageMaker hosting with GPUs, memory, NVMe and price per hour, which is dated and may be an estimate.",
    takes=FindInstances,
    gives=Instances,
    answer=_instances,
)
