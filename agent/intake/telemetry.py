"""Spans and log lines without patients' data, and passing the trace to SGLang.

Three things hold regardless of what an author's code or a package does: attributes and events that carry contents are replaced before a span is exported, the
texts of exceptions are taken out of spans, and other packages' log lines keep only the name, the level and the location. `AWS_REDACT_SPAN_ATTRIBUTES`
names further attributes (it is AWS's own variable: its distribution redacts by it too); `none` switches all of it off.
"""

from __future__ import annotations

import contextvars
import fnmatch
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, MutableMapping
from typing import Any, Final

DEFAULT_ATTRIBUTES: Final = (
    "gen_ai.tool.call.*,gen_ai.tool.definitions,gen_ai.input.*,gen_ai.output.*,gen_ai.prompt*,gen_ai.completion*,gen_ai.event.content,"
    "gen_ai.system_instructions,system_prompt,input.value,output.value,content,message,tool.result,tool.parameters,exception.message,"
    "exception.stacktrace,mcp.*.arguments,mcp.*.result,db.statement,enduser.id"
)
"""Attributes of spans and of their events that can hold what users, models and tools said (found in full runs of Strands 1.62.0 and
aws-opentelemetry-distro 0.21.0, and from OpenTelemetry's conventions for generative AI, 2026-11)."""

session: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("session", default="")
"""Id of the session whose turn runs, for spans."""

_OWN_LOGGERS: Final = ("intake", "evals")
_DEFAULTS: Final = {
    # Contents of messages do not become attributes or log events in the first place.
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "false",
    # Health checks are not traced.
    "OTEL_PYTHON_STARLETTE_EXCLUDED_URLS": "ping",
    "OTEL_PYTHON_EXCLUDED_URLS": "ping",
    # With AWS's distribution in the process, MLflow would send its traces where the spans go, and each span twice.
    "MLFLOW_ENABLE_OTLP_EXPORTER": "false",
}


def redacts() -> bool:
    """Whether contents are removed from spans and log lines."""
    return os.environ.get("AWS_REDACT_SPAN_ATTRIBUTES", "").strip().lower() != "none"


def start() -> None:
    """Prepare spans and logs; called once, before the modules that OpenTelemetry instruments are imported."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not os.environ.get("AWS_REDACT_SPAN_ATTRIBUTES"):
        os.environ["AWS_REDACT_SPAN_ATTRIBUTES"] = DEFAULT_ATTRIBUTES
    if redacts():
        _quiet_logs()
    if os.environ.get("AGENT_OBSERVABILITY_ENABLED", "").lower() == "true":
        _start_distribution()
        _add_processor()
    if os.environ.get("MLFLOW_TRACKING_URI"):
        _start_mlflow()


def traceparent() -> str:
    """Return the current span as W3C `traceparent`; empty without one (https://www.w3.org/TR/trace-context/, read 2026-11)."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def custom_attributes() -> str:
    """Return the value of SageMaker's CustomAttributes that hands the trace to SGLang; empty without a span.

    InvokeEndpoint passes no other header of the caller's to the container, whose entry turns it into the header that SGLang reads.
    """
    parent = traceparent()
    return f"traceparent={parent}" if parent else ""


class Redactor:
    """Span processor: labels spans when they start, and removes contents before any exporter sees them.

    Args:
        labels: Attributes of every span.
        patterns: Names of attributes to replace, with `*`; empty to replace none.
    """

    def __init__(self, labels: dict[str, str], patterns: list[str]) -> None:
        self._labels = labels
        self._pattern = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)) if patterns else None

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Add the labels."""
        span.set_attributes(self._labels)
        if current := session.get():
            span.set_attribute("session.id", current)

    def _on_ending(self, span: Any) -> None:
        """Do nothing: a step of the interface."""

    def on_end(self, span: Any) -> None:
        """Replace contents, and drop the status' text, which is an exception's."""
        if self._pattern is None:
            return
        from opentelemetry.trace import Status

        for attributes in (span._attributes, *(event._attributes for event in span.events)):
            self._replace(attributes)
        span._status = Status(span.status.status_code)

    def _replace(self, attributes: Any) -> None:
        values: MutableMapping[str, Any] | None = getattr(attributes, "_dict", attributes)
        for name in list(values or ()):
            if values is not None and self._pattern is not None and self._pattern.match(name):
                values[name] = "REDACTED"

    def shutdown(self) -> None:
        """Do nothing: nothing is held."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing: nothing is held."""
        return True


def labels() -> dict[str, str]:
    """Return the attributes of every span: which model answered, for whom."""
    variables = {
        "cdk_sglang.endpoint": "CDK_SGLANG_ENDPOINT",
        "cdk_sglang.component": "CDK_SGLANG_COMPONENT",
        "cdk_sglang.adapter": "CDK_SGLANG_ADAPTER",
        "cdk_sglang.environment": "CDK_SGLANG_ENVIRONMENT",
        "cdk_sglang.prompt_version": "CDK_SGLANG_PROMPT_VERSION",
    }
    return {name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)}


def _start_distribution() -> None:
    """Start AWS's distribution, unless `opentelemetry-instrument` has."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    os.environ.setdefault("OTEL_PYTHON_DISTRO", "aws_distro")
    os.environ.setdefault("OTEL_PYTHON_CONFIGURATOR", "aws_configurator")
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize()


def _add_processor() -> None:
    from opentelemetry import trace

    named = f"{DEFAULT_ATTRIBUTES},{os.environ['AWS_REDACT_SPAN_ATTRIBUTES']}".split(",") if redacts() else []
    names = list(dict.fromkeys(named))
    processor = Redactor(labels(), [name.strip() for name in names if name.strip()])
    combined = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
    if combined is not None:  # first, since those after it hand spans to exporters
        combined._span_processors = (processor, *combined._span_processors)


def _quiet_logs() -> None:
    """Let only this agent's own log lines contain text; the factory is the only source of every handler's records."""
    make: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        if record.name.partition(".")[0] not in _OWN_LOGGERS:
            record.msg = f"{record.name} {record.levelname.lower()} at {record.module}:{record.lineno}"
            record.args = None
        if kind:
            record.msg = f"{record.getMessage()} ({kind})"
            record.args = None
        record.exc_info, record.exc_text, record.stack_info = None, None, None
        return record

    logging.setLogRecordFactory(factory)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('{"level":"%(levelname)s","logger":"%(name)s","message":%(message)s}'))
    own = logging.getLogger("intake")
    own.addHandler(handler)
    own.setLevel(logging.INFO)
    sys.excepthook = lambda kind, _error, _trace: _print_kind(kind)
    threading.excepthook = lambda failure: _print_kind(failure.exc_type)


def _print_kind(kind: type[BaseException]) -> None:
    sys.stderr.write(f"uncaught {kind.__name__}; its text is withheld, as it may name a patient\n")


def _start_mlflow() -> None:
    """Trace to MLflow as well; a package without its modules, or a server that does not answer, does not affect the agent."""
    try:
        import mlflow

        mlflow.strands.autolog()
        _guard_mlflow()
    except Exception as error:  # noqa: BLE001  any: tracing is no reason for no answer
        logging.getLogger("intake").warning('{"mlflow":"off","reason":"%s"}', type(error).__name__)


class Guarded:
    """A span processor whose failures affect nothing else: MLflow's raises in the request if its server does not answer.

    Args:
        processor: The processor.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the processor; methods are wrapped so that they never raise."""
        value = getattr(self._processor, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return value(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  tracing is no reason for no answer
                logging.getLogger("intake").warning('{"mlflow":"lost a span","exception":"%s"}', type(error).__name__)
                return True

        return call


def _guard_mlflow() -> None:
    from opentelemetry import trace

    combined = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
    if combined is not None:
        combined._span_processors = tuple(
            Guarded(processor) if type(processor).__module__.startswith("mlflow") else processor
            for processor in combined._span_processors
        )
