"""Where the parts of a component's pipeline are, as its stack has published it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.drafts import drafts_prefix


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the parts of a component's pipeline are, as its stack has published it.

    Args:
        environment: Name of the environment.
        component: Name of the component in SageMaker.
        kind: Where the draft comes from; empty if unspecified.
        state_machine: ARN of the state machine.
        bucket: Weights bucket.
        stack: Name of the serving stack.
        parameter: Parameter of that stack that says which version is served.
        model_package_group: Group of the versions in the model registry.
        approval: Whether a person has to approve.
        training_instance: Instance type of a training; empty without one.
        training_usd_per_hour: Price with which a training is counted; None without one, or if unspecified.
        is_price_given: Whether the settings name that price; otherwise it is assumed.
        training_max_usd: Ceiling of a training; None without one, or if unspecified.
        gate_max_usd: Ceiling of the measurement; None if unspecified.
    """

    environment: str
    component: str
    kind: str
    state_machine: str
    bucket: str
    stack: str
    parameter: str
    model_package_group: str
    approval: bool
    training_instance: str
    training_usd_per_hour: float | None
    is_price_given: bool
    training_max_usd: float | None
    gate_max_usd: float | None

    @classmethod
    def parse(cls, environment: str, name: str, text: str) -> Place:
        """Return the place that an SSM parameter holds.

        Args:
            environment: Name of the environment.
            name: Name of the parameter.
            text: Its value.

        Raises:
            ConfigurationError: The value has another form.
        """
        try:
            content: Mapping[str, Any] = json.loads(text)
            price = content.get("training_usd_per_hour")
            training, gate = content.get("training_max_usd"), content.get("gate_max_usd")
            return cls(
                environment=environment,
                component=content["component"],
                kind=content.get("kind") or "",
                state_machine=content["state_machine"],
                bucket=content["bucket"],
                stack=content["stack"],
                parameter=content["parameter"],
                model_package_group=content["model_package_group"],
                approval=bool(content.get("approval")),
                training_instance=content.get("training_instance") or "",
                training_usd_per_hour=None if price is None else float(price),
                is_price_given=bool(content.get("training_is_price_given")),
                training_max_usd=None if training is None else float(training),
                gate_max_usd=None if gate is None else float(gate),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            text = f"has another form ({error!r}); deploy {environment} with this version of cdk-sglang"
            raise ConfigurationError([Problem(name, text)]) from None

    @property
    def options(self) -> str:
        """The options that name this component on the command line."""
        return f"--env {self.environment} --component {self.component}"

    def run_key(self, run: str, name: str) -> str:
        """Return the key of a file of a run."""
        return f"{drafts_prefix(self.component)}runs/{run}/{name}"
