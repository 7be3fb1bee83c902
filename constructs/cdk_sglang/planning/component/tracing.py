"""Checks that traces of a component can reach their collector."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem

if TYPE_CHECKING:
    from cdk_sglang.engine import SglangOptions

_OF_THE_CONTAINER: Final = re.compile(r"(?:https?://)?(?:localhost|127(?:\.\d+){3}|\[::1\]):.*")


def tracing_problems(path: str, server: SglangOptions, *, network_isolation: bool) -> list[Problem]:
    """Return why SGLang's spans could not reach a collector.

    "If you enable network isolation, the containers can't make any outbound network calls"
    (https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html, read 2026-11).

    Args:
        path: Path of the component.
        server: SGLang's options.
        network_isolation: Whether containers of the endpoint have no network access.
    """
    tracing = server.tracing
    if tracing is None:
        return []
    where = f"{path}.server.tracing"
    if network_isolation:
        text = (
            f"spans cannot leave a container without network, got network_isolation: true and {tracing.otlp_endpoint}; set the endpoint's "
            "network_isolation to false, with subnets from which the collector is reached, or leave tracing out"
        )
        return [Problem(where, text)]
    if _OF_THE_CONTAINER.fullmatch(tracing.otlp_endpoint):
        text = f"{tracing.otlp_endpoint} is the container itself, where nothing collects; name a collector that the endpoint's subnets reach"
        return [Problem(f"{where}.otlp_endpoint", text)]
    return []
