"""Routes of an environment: several components behind one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import Problem
from cdk_sglang.spec.kinds import NAME_PATTERN, unique
from cdk_sglang.spec.model import Model
from cdk_sglang.spec.route import DESTINATIONS_MAX, DESTINATIONS_MIN

_TARGET: Final = f"{NAME_PATTERN}/{NAME_PATTERN}"


def _target(value: str) -> str:
    if not re.fullmatch(_TARGET, value):
        raise ValueError(f"{value!r} is not allowed; use <endpoint>/<component>, such as reserved/qwen")
    return value


RouteTarget = Annotated[str, AfterValidator(_target), WithJsonSchema({"type": "string", "pattern": f"^{_TARGET}$"})]
"""A component of this file, as <endpoint>/<component>."""

Destinations = Annotated[
    tuple[RouteTarget, ...],
    Field(min_length=DESTINATIONS_MIN, max_length=DESTINATIONS_MAX, strict=False),
    AfterValidator(unique),
]
"""Two to five components with the same model, most wanted first."""


def route_problems(routes: Mapping[str, tuple[str, ...]], models: Mapping[str, Mapping[str, Model]]) -> list[Problem]:
    """Say which routes name what is not in the file, or mix models."""
    problems = []
    for name, targets in routes.items():
        served: dict[str, Model] = {}
        for target in targets:
            endpoint, _, component = target.partition("/")
            if endpoint not in models:
                problems.append(
                    Problem(
                        f"routes.{name}",
                        f"{target}: unknown endpoint {endpoint!r}; {did_you_mean(endpoint, models)}",
                    )
                )
                continue
            components = models[endpoint]
            if component not in components:
                problems.append(
                    Problem(
                        f"routes.{name}",
                        f"{target}: endpoint {endpoint} has no component {component!r}; {did_you_mean(component, components)}",
                    )
                )
                continue
            served[target] = components[component]
        first = next(iter(served), None)
        problems += [
            Problem(
                f"routes.{name}",
                f"{first} serves {_shown(served[first])}, {target} serves {_shown(model)}; a route has one model: "
                "leave one out, or give both the same model.id if the weights are the same",
            )
            for target, model in served.items()
            if first is not None and not _same(served[first], model)
        ]
    return problems


def _place(model: Model) -> str:
    return model.s3 or model.prefix or f"{model.hugging_face}@{model.revision}"


def _same(one: Model, other: Model) -> bool:
    return _place(one) == _place(other) or (one.catalogue_id is not None and one.catalogue_id == other.catalogue_id)


def _shown(model: Model) -> str:
    return model.catalogue_id or _place(model)
