"""The caller's trace on its way to SGLang: the current OpenTelemetry span as `traceparent` among SageMaker's custom attributes.

InvokeEndpoint passes no other header of the caller to the container; the container of this project turns the attribute into the header that
SGLang reads. OpenTelemetry is never imported here: a program without it has no span.
"""

from __future__ import annotations

import re
import sys
from typing import Final

MAX_ATTRIBUTES: Final = 1024
"""Characters of CustomAttributes (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html, read 2026-11)."""

ATTRIBUTES_HEADER: Final = "X-Amzn-SageMaker-Custom-Attributes"
_HAS_PARENT: Final = re.compile(r"(?:^|[\s,;&])traceparent=")


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the current span; None without OpenTelemetry or a span.

    https://www.w3.org/TR/trace-context/#traceparent-header (read 2026-11)
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def with_traceparent(attributes: str | None) -> str | None:
    """Add the current span to custom attributes; they stay as they are if they name one, or if there is no room.

    Args:
        attributes: The caller's own custom attributes; None if there are none.
    """
    parent = current_traceparent()
    if parent is None or (attributes and _HAS_PARENT.search(attributes)):
        return attributes
    joined = f"{attributes};traceparent={parent}" if attributes else f"traceparent={parent}"
    return joined if len(joined) <= MAX_ATTRIBUTES else attributes
