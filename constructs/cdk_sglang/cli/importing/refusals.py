"""Endpoints that no environment can describe: each is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cdk_sglang.cli.aws import fail
from cdk_sglang.cli.importing.running import Running

_MORE: Final = "an environment has endpoints of one variant that answers at once"


def refuse_other_forms(running: Running) -> None:
    """End the command if an endpoint is of a form that no environment has.

    Args:
        running: The endpoint.

    Raises:
        typer.Exit: The reason is printed.
    """
    reason = next(_reasons(running), None)
    if reason is not None:
        fail(f"{running.name} {reason}", code=1)


def _reasons(running: Running) -> Iterator[str]:
    variants = running.config.get("ProductionVariants") or []
    if len(variants) != 1:
        names = ", ".join(variant["VariantName"] for variant in variants) or "none"
        yield (
            f"has {len(variants)} production variants ({names}), and {_MORE}; "
            "import it once it has one, or write an endpoint for each"
        )
        return
    if running.config.get("AsyncInferenceConfig"):
        yield f"is asynchronous, and {_MORE}"
    if running.variant.get("ServerlessConfig"):
        yield f"is serverless, and {_MORE}, on GPU instances"
    if not running.variant.get("ModelName") and not running.components:
        yield "has no inference component, so there is nothing to describe; import it once one is on it"
    for name, model in running.models.items():
        yield from _of_model(name, model)


def _of_model(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    if len(model.get("Containers") or []) > 1:
        yield f"has a pipeline of {len(model['Containers'])} containers in model {name}, and a component has one"
    container = container_of(model)
    if container.get("Mode") == "MultiModel":
        yield f"has a multi-model container in model {name}; make each of its models a component"
    if container.get("ModelPackageName"):
        yield f"has model {name} from a model package ({container['ModelPackageName']}), whose container cannot be read; describe it by hand"


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the container of a model.

    Args:
        model: Its description.
    """
    containers: list[Mapping[str, Any]] = model.get("Containers") or [{}]
    found: Mapping[str, Any] = model.get("PrimaryContainer") or containers[0]
    return found
