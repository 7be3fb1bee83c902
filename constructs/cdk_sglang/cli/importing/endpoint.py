"""A running endpoint as an environment file states it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.cli.aws import fail
from cdk_sglang.cli.importing.capacity import imported_capacity, instances_of
from cdk_sglang.cli.importing.component import (
    EndpointFacts,
    container_in,
    definition_of,
    imported_component,
    imported_variant_model,
)
from cdk_sglang.cli.importing.image import Container, imported_image, other_engine
from cdk_sglang.cli.importing.names import short_name
from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.refusals import refuse_other_forms
from cdk_sglang.cli.importing.running import Running, RunningComponent
from cdk_sglang.cli.importing.surroundings import imported_network, imported_parts, tell_of_the_rest
from cdk_sglang.cli.importing.weights import imported_model
from cdk_sglang.cli.init.environment_file import component_name
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.spec.image_facts import SglangDlc

DEFAULT_ENVIRONMENT: Final = "adopted"
"""Name of the environment of an endpoint that this library did not create."""
_OWN_TAGS: Final = ("aws:", "cdk-sglang:")
_DEFAULT_IMAGE: Final = {"dlc": SglangDlc.V0_5_17_UBUNTU.value}


@dataclass(frozen=True, kw_only=True)
class Description:
    """A running endpoint as a file states it.

    Attributes:
        content: What the file says.
        endpoint: Name of the endpoint in it.
        names: SageMaker's names now, by what a deployment of the file calls them.
    """

    content: Mapping[str, Any]
    endpoint: str
    names: Mapping[str, str]


def describe(
    running: Running,
    *,
    env: str,
    own: Sequence[ModelFacts],
    versions: tuple[str | None, str | None],
    today: dt.date,
    notes: Notes,
) -> Description:
    """Return a running endpoint as a file states it.

    Args:
        running: The endpoint.
        env: Name of the environment.
        own: The user's own models.
        versions: SGLang's release and CUDA of the image, if the user gives them.
        today: Day from which schedules count.
        notes: What a reader must know.

    Raises:
        typer.Exit: It has a form or an engine that no environment supports; the reason is printed.
    """
    refuse_other_forms(running)
    bases = [one for one in running.components if one.base is None and _stays(one, notes)]
    specs = [spec for one in bases for spec in one.specifications] or [running.variant]
    containers = [container_in(spec, running) for spec in specs]
    for container in containers:
        engine = other_engine(container)
        if engine is not None:
            fail(f"{running.name} runs {engine}: only endpoints that serve with SGLang can be imported", code=1)
    try:
        instances = instances_of(running)
    except ConfigurationError as error:
        fail(f"{running.name}: {'; '.join(error.problems)}", code=1)
    image = imported_image(
        containers[0],
        region=running.region,
        account=running.account,
        parameters=running.parameters,
        versions=versions,
        notes=notes,
    )
    _tell_of_other_images(containers, notes)
    endpoint = short_name(running.name, within=env)
    where = f"endpoints.{endpoint}"
    facts = EndpointFacts(running=running, instances=instances, image=image.facts, own=own, today=today, notes=notes)
    components, names = _components(bases, facts, env=env, endpoint=endpoint)
    least = [_least(component) for component in components.values()]
    content: dict[str, Any] = {
        "account": running.account,
        "region": running.region,
        "tags": {name: value for name, value in sorted(running.tags.items()) if not name.startswith(_OWN_TAGS)},
        "network": imported_network(running, specs, notes=notes),
        "image": {} if image.content == _DEFAULT_IMAGE else dict(image.content),
    }
    content = {name: value for name, value in content.items() if value}
    body = {
        "capacity": imported_capacity(running, least, where=where, today=today, notes=notes),
        **imported_parts(running, specs, where=where, notes=notes),
        "components": components,
    }
    content["endpoints"] = {endpoint: body}
    tell_of_the_rest(running, facts, notes=notes)
    return Description(content=content, endpoint=endpoint, names=names)


def _stays(one: RunningComponent, notes: Notes) -> bool:
    if one.described["InferenceComponentStatus"] != "Deleting":
        return True
    notes.warnings.append(f"{one.name} is Deleting, and is left out")
    return False


def _tell_of_other_images(containers: Sequence[Container], notes: Notes) -> None:
    first, *others = dict.fromkeys(container.image for container in containers)
    for image in others:
        notes.lost("image", f"{image} on some components", f"{first} on all")


def _components(
    bases: Sequence[RunningComponent], facts: EndpointFacts, *, env: str, endpoint: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the components with their adapters, and the names of everything as it is and will be."""
    running, where = facts.running, f"endpoints.{endpoint}.components"
    full = f"{env}-{endpoint}"
    names = {running.name: full}
    if not bases:
        name = _name_of_model(facts)
        return {name: imported_variant_model(facts, where=f"{where}.{name}")}, {**names, "": f"{full}-{name}"}
    components: dict[str, Any] = {}
    for one in bases:
        name = short_name(one.name, within=running.name, taken=components)
        components[name] = imported_component(one, facts, where=f"{where}.{name}")
        names[one.name] = f"{full}-{name}"
        adapters: dict[str, Any] = {}
        for adapter in running.components:
            if adapter.base == one.name and _stays(adapter, facts.notes):
                short = short_name(adapter.name, within=one.name, taken=adapters)
                adapters[short] = _adapter(adapter, running)
                names[adapter.name] = f"{full}-{name}-{short}"
        if adapters:
            components[name]["adapters"] = adapters
            if "lora" not in components[name].get("server", {}):
                facts.notes.warnings.append(f"{one.name} has adapters, and its variables do not switch LoRA on")
    return components, names


def _name_of_model(facts: EndpointFacts) -> str:
    spec = facts.running.variant
    found = imported_model(definition_of(spec, facts.running), where="", parameters={}, own=facts.own, notes=Notes())
    return "model" if found.facts is None else short_name(component_name(found.facts.id), within="")


def _adapter(adapter: RunningComponent, running: Running) -> dict[str, Any]:
    uri = str((adapter.specifications[0].get("Container") or {}).get("ArtifactUrl", ""))
    bucket = running.parameters.get("weights-bucket")
    if bucket and uri.startswith(f"s3://{bucket}/"):
        return {"key": uri.removeprefix(f"s3://{bucket}/")}
    return {"s3": uri}


def _least(component: Mapping[str, Any]) -> int:
    """Return the minimum number of copies at any hour."""
    scaling = component.get("scaling") or {}
    own = int(scaling.get("min_copies", component.get("copies", 1)))
    return min(own, *(int(window.get("min_copies", own)) for window in scaling.get("schedules", {}).values()), own)
