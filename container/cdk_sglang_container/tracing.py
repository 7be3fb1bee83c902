"""The caller's trace, passed to SGLang as the W3C headers that SGLang reads (srt/observability/trace.py of 0.5.23: TRACE_HEADERS).

SageMaker's InvokeEndpoint passes on no header of the caller except `X-Amzn-SageMaker-Custom-Attributes`, so a trace arrives there, as
`traceparent=00-<trace>-<span>-01` among other attributes (`cdk_sglang.client` writes it). Whether SageMaker passes its own `X-Amzn-Trace-Id` to
containers, and whether the OpenAI path passes on `traceparent`, is not documented; both are used if they arrive.
"""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.http import header, with_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang_container.http import Scope

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html (read 2026-11)
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_AMAZON = "X-Amzn-Trace-Id"
_W3C = "traceparent"
# https://www.w3.org/TR/trace-context/#traceparent-header (read 2026-11): version 00, and neither id is all zeros.
_PARENT = re.compile(r"00-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ATTRIBUTE = re.compile(rf"(?:^|[\s,;&]){_W3C}=(?P<parent>{_PARENT.pattern})(?=$|[\s,;&])")
# https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader (read 2026-11)
_ROOT = re.compile(r"(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?=;|$)")
_AMAZON_PARENT = re.compile(r"(?:^|;)\s*Parent=([0-9a-f]{16})(?=;|$)")
_SAMPLED = re.compile(r"(?:^|;)\s*Sampled=1(?=;|$)")


def trace_parent(scope: Scope) -> str | None:
    """The W3C `traceparent` of a request; None if it has none, or none in the right format.

    Args:
        scope: The request.
    """
    own = (header(scope, _W3C) or "").strip()
    if _PARENT.fullmatch(own):
        return own
    attribute = _ATTRIBUTE.search(header(scope, CUSTOM_ATTRIBUTES) or "")
    if attribute is not None:
        return attribute["parent"]
    return _from_amazon(header(scope, _AMAZON) or "")


def _from_amazon(text: str) -> str | None:
    root, parent = _ROOT.search(text), _AMAZON_PARENT.search(text)
    if root is None or parent is None:
        return None
    traceparent = f"00-{root[1]}{root[2]}-{parent[1]}-{'01' if _SAMPLED.search(text) else '00'}"
    return traceparent if _PARENT.fullmatch(traceparent) else None


def trace_id(scope: Scope) -> str | None:
    """The id of a request's trace, 32 hexadecimal digits; None if it has no trace."""
    found = _PARENT.fullmatch(trace_parent(scope) or "")
    return found["trace"] if found else None


def joined(scope: Scope) -> Scope:
    """The same request, with the caller's trace where SGLang looks for it.

    Args:
        scope: The request.
    """
    parent = trace_parent(scope)
    return scope if parent is None or header(scope, _W3C) == parent else with_header(scope, _W3C, parent)


def tracing_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems of tracing with what is installed, one line each.

    SGLang looks for the packages in each of its processes, so that its own complaint comes late and as a traceback.

    Args:
        values: Fields of SGLang's `ServerArgs` by name, as parsed.
    """
    if not values.get("enable_trace"):
        return []
    # What srt/observability/trace.py of sglang 0.5.23 imports.
    modules = (
        "opentelemetry.sdk.trace",
        "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    )
    missing = [name for name in modules if not _is_installed(name)]
    if not missing:
        return []
    return [
        f"SM_SGLANG_ENABLE_TRACE: the image lacks {', '.join(missing)}; use an image with SGLang's 'tracing' extra, or leave tracing out"
    ]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
