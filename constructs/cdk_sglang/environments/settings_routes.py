"""Routes of an environment: several components behind one name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import Problem
from cdk_sglang.spec.component import Component
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
"""Two to five components with the same model, in order of preference."""


def route_problems(
    routes: Mapping[str, tuple[str, ...]], endpoints: Mapping[str, Mapping[str, Component]]
) -> Iterator[Problem]:
    """Yield a problem for every route that names an unknown component, or mixes models.

    Args:
        routes: Destinations of each route.
        endpoints: Components of each endpoint.
    """
    served: dict[str, dict[str, Component]] = {name: {} for name in routes}
    for name, targets in routes.items():
        for target in targets:
            endpoint, _, component = target.partition("/")
            if endpoint not in endpoints:
                text = f"{target}: unknown endpoint {endpoint!r}; {did_you_mean(endpoint, endpoints)}"
                yield Problem(f"routes.{name}", text)
            elif component not in endpoints[endpoint]:
                hint = did_you_mean(component, endpoints[endpoint])
                text = f"{target}: endpoint {endpoint} has no component {component!r}; {hint}"
                yield Problem(f"routes.{name}", text)
            else:
                served[name][target] = endpoints[endpoint][component]
    for name, components in served.items():
        models = {target: component.model for target, component in components.items()}
        first = next(iter(models), None)
        for target, model in models.items():
            if first is not None and not _same(models[first], model):
                yield Problem(
                    f"routes.{name}",
                    f"{first} serves {_shown(models[first])}, {target} serves {_shown(model)}; a route has one model: "
                    "leave one out, or give both the same model.id if the weights are the same",
                )


def _place(model: Model) -> str:
    return model.s3 or model.prefix or f"{model.hugging_face}@{model.revision}"


def _same(one: Model, other: Model) -> bool:
    return _place(one) == _place(other) or (one.catalogue_id is not None and one.catalogue_id == other.catalogue_id)


def _shown(model: Model) -> str:
    return model.catalogue_id or _place(model)
