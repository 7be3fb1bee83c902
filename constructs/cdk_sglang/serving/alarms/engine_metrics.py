"""SGLang's own metrics, as PromQL that accepts every spelling of their names; CloudWatch answers it if OTel enrichment is on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, TypedDict, Unpack

from cdk_sglang.arguments import checked
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.metrics import promql

_WINDOW: Final = re.compile(r"[1-9][0-9]*[smhd]")


class GaugeOptions(TypedDict, total=False):
    """Options of a gauge's query: how copies are combined (sum by default), and the labels that are kept (none by default)."""

    aggregate: Literal["sum", "max", "min", "avg", "count"]
    """How copies are combined; their sum by default."""
    labels: Sequence[str]
    """Labels that stay; none by default."""


class CounterOptions(TypedDict, total=False):
    """Options of a counter's query: the range of the rate (5m by default), and the labels that are kept (none by default)."""

    window: str
    """Range of the rate, such as 1h; 5m by default."""
    labels: Sequence[str]
    """Labels that stay; none by default."""


class HistogramOptions(TypedDict, total=False):
    """Options of a histogram's query: the quantile (0.95 by default; None for the mean), the range (5m by default), and the labels that are kept."""

    share: float | None
    """Quantile, 0.95 by default; None for the mean."""
    window: str
    """Range of the rate, such as 1h; 5m by default."""
    labels: Sequence[str]
    """Labels that stay; none by default."""


class EngineMetrics:
    """SGLang's metrics of one set of series, as PromQL.

    Args:
        place: Series that the queries read.
    """

    @checked()
    def __init__(self, place: promql.Place) -> None:
        self._place = place

    @checked()
    def query_running_requests(self, **options: Unpack[GaugeOptions]) -> str:
        """Requests in the running batch (requests).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("running_requests", options)

    @checked()
    def query_queued_requests(self, **options: Unpack[GaugeOptions]) -> str:
        """Requests that wait for the engine (requests).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("queued_requests", options)

    @checked()
    def query_generation_tokens_per_second(self, **options: Unpack[GaugeOptions]) -> str:
        """Output tokens per second now (tokens/s).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("generation_tokens_per_second", options)

    @checked()
    def query_kv_share_used(self, **options: Unpack[GaugeOptions]) -> str:
        """Share of the KV cache in use (ratio).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("kv_share_used", options)

    @checked()
    def query_kv_tokens_used(self, **options: Unpack[GaugeOptions]) -> str:
        """KV tokens in use (tokens).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("kv_tokens_used", options)

    @checked()
    def query_kv_tokens_total(self, **options: Unpack[GaugeOptions]) -> str:
        """KV tokens that the engine can hold (tokens).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("kv_tokens_total", options)

    @checked()
    def query_cache_hit_rate(self, **options: Unpack[GaugeOptions]) -> str:
        """Share of prompt tokens that the prefix cache had (ratio).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("cache_hit_rate", options)

    @checked()
    def query_prompt_tokens(self, **options: Unpack[CounterOptions]) -> str:
        """Prompt tokens (tokens/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("prompt_tokens", options)

    @checked()
    def query_generation_tokens(self, **options: Unpack[CounterOptions]) -> str:
        """Output tokens (tokens/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("generation_tokens", options)

    @checked()
    def query_computed_tokens(self, **options: Unpack[CounterOptions]) -> str:
        """Tokens that the engine computed or took from its cache, counted as it goes and not when a request ends (tokens/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("computed_tokens", options)

    @checked()
    def query_cached_tokens(self, **options: Unpack[CounterOptions]) -> str:
        """Prompt tokens that a cache had (tokens/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("cached_tokens", options)

    @checked()
    def query_requests(self, **options: Unpack[CounterOptions]) -> str:
        """Requests that ended (requests/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("requests", options)

    @checked()
    def query_aborted_requests(self, **options: Unpack[CounterOptions]) -> str:
        """Requests that were aborted (requests/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("aborted_requests", options)

    @checked()
    def query_http_responses(self, **options: Unpack[CounterOptions]) -> str:
        """Responses by path and HTTP status (responses/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("http_responses", options)

    @checked()
    def query_retracted_requests(self, **options: Unpack[CounterOptions]) -> str:
        """Requests put back because the KV cache was full (requests/s).

        Args:
            options: Range of the rate (`window`), and the `labels` that stay.
        """
        return self._counter("retracted_requests", options)

    @checked()
    def query_paused_requests(self, **options: Unpack[GaugeOptions]) -> str:
        """Requests that are paused (requests).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("paused_requests", options)

    @checked()
    def query_time_to_first_token(self, **options: Unpack[HistogramOptions]) -> str:
        """Time to the first token (seconds).

        Args:
            options: Quantile (`share`), range (`window`), and the `labels` that stay.
        """
        return self._histogram("time_to_first_token", options)

    @checked()
    def query_inter_token_latency(self, **options: Unpack[HistogramOptions]) -> str:
        """Time between two tokens (seconds).

        Args:
            options: Quantile (`share`), range (`window`), and the `labels` that stay.
        """
        return self._histogram("inter_token_latency", options)

    @checked()
    def query_time_per_output_token(self, **options: Unpack[HistogramOptions]) -> str:
        """Mean time per token of a request after its first (seconds).

        Args:
            options: Quantile (`share`), range (`window`), and the `labels` that stay.
        """
        return self._histogram("time_per_output_token", options)

    @checked()
    def query_request_latency(self, **options: Unpack[HistogramOptions]) -> str:
        """Time from request to its last token (seconds).

        Args:
            options: Quantile (`share`), range (`window`), and the `labels` that stay.
        """
        return self._histogram("request_latency", options)

    @checked()
    def query_queue_time(self, **options: Unpack[HistogramOptions]) -> str:
        """Time that requests waited for the engine (seconds).

        Args:
            options: Quantile (`share`), range (`window`), and the `labels` that stay.
        """
        return self._histogram("queue_time", options)

    @checked()
    def query_accept_length(self, **options: Unpack[GaugeOptions]) -> str:
        """Tokens per verification step of speculative decoding (tokens).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("accept_length", options)

    @checked()
    def query_accept_rate(self, **options: Unpack[GaugeOptions]) -> str:
        """Share of draft tokens that were accepted (ratio).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("accept_rate", options)

    @checked()
    def query_adapter_slots_used(self, **options: Unpack[GaugeOptions]) -> str:
        """Places for adapters in use (adapters).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("adapter_slots_used", options)

    @checked()
    def query_adapter_slots_total(self, **options: Unpack[GaugeOptions]) -> str:
        """Places for adapters (adapters).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("adapter_slots_total", options)

    @checked()
    def query_startup_time(self, **options: Unpack[GaugeOptions]) -> str:
        """Start-up of the engine by phase (seconds).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("startup_time", options)

    @checked()
    def query_graph_capture_time(self, **options: Unpack[GaugeOptions]) -> str:
        """Capture of CUDA graphs by phase (seconds).

        Args:
            options: How copies are combined (`aggregate`), and the `labels` that stay.
        """
        return self._gauge("graph_capture_time", options)

    def _gauge(self, key: str, options: GaugeOptions) -> str:
        return promql.gauge(
            key, self._place, aggregate=options.get("aggregate", "sum"), labels=options.get("labels", ())
        )

    def _counter(self, key: str, options: CounterOptions) -> str:
        return promql.rate(
            key, self._place, window=_window(key, options.get("window")), labels=options.get("labels", ())
        )

    def _histogram(self, key: str, options: HistogramOptions) -> str:
        share, window, labels = (
            options.get("share", 0.95),
            _window(key, options.get("window")),
            options.get("labels", ()),
        )
        if share is None:
            return promql.mean(key, self._place, window=window, labels=labels)
        if not 0 < share < 1:
            text = f"a quantile is above 0 and below 1, got {share:g}; write 0.95 for p95"
            raise ConfigurationError([Problem(f"query_{key}.share", text)])
        return promql.quantile(share, key, self._place, window=window, labels=labels)


def _window(key: str, window: str | None) -> str:
    if window is None:
        return "5m"
    if not _WINDOW.fullmatch(window):
        text = f"a range is a whole number and s, m, h or d, got {window!r}; write 5m or 1h"
        raise ConfigurationError([Problem(f"query_{key}.window", text)])
    return window
