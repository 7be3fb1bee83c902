"""Requirements of a proposal: a model and its expected load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning.component.task import made_for
from cdk_sglang.planning.fleet_request import ComponentRequest
from cdk_sglang.spec.task import TASK_SHAPES

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, PriceTable
    from cdk_sglang.models.facts import ModelFacts


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A model, its expected load and the limits that a proposed fleet must meet.

    Args:
        facts: The model.
        requests_per_second: Requests that arrive per second in the busiest hour.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        context_length: Longest request, including the answer, in tokens.
        ttft_ms: Maximum mean time to the first token, in milliseconds; no limit by default.
        tpot_ms: Maximum mean time per further token, in milliseconds; no limit by default.
        budget_usd_per_hour: Maximum cost of the busiest hour in US dollars; no limit by default.
        region: AWS Region of the prices.
        prices: The user's prices, which take precedence over the package's.
        instance: The only instance type to propose; every one by default.
        instances_max: Maximum number of instances; no limit by default.
        lora_slots: LoRA adapters in one running batch; none by default.
        lora_rank: Maximum rank of the adapters.
    """

    facts: ModelFacts
    requests_per_second: float
    input_tokens: float
    output_tokens: float
    context_length: int
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    budget_usd_per_hour: float | None = None
    region: str
    prices: PriceTable | None = None
    instance: GpuInstance | None = None
    instances_max: int | None = None
    lora_slots: int = 0
    lora_rank: int = 16

    @property
    def component(self) -> ComponentRequest:
        """The component request for the planner."""
        generates = TASK_SHAPES[made_for(self.facts)].generates
        return ComponentRequest(
            name=self.facts.id.rsplit("/", maxsplit=1)[-1],
            facts=self.facts,
            context_length=self.context_length,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens if generates else 1.0,
            generates=generates,
            lora_slots=self.lora_slots,
            lora_rank=self.lora_rank,
        )
