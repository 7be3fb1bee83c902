"""Results of benchmarks: one schema for every runner, one row for each measured repeat of a step."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SCHEMA_VERSION: Final = 1
"""Version of the rows. Columns are only ever added within a version; a reader leaves rows of newer versions out and says so."""


class Outcome(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    THROTTLED = "throttled"
    TOO_MANY_ERRORS = "too-many-errors"
    NO_SUCCESSES = "no-successes"
    ENDPOINT_ENDED = "endpoint-ended"
    CEILING_REACHED = "ceiling-reached"
    TOOL_FAILED = "tool-failed"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A figure over the requests of a step.

    Args:
        mean: Mean.
        p50: Median.
        p90: 90th percentile.
        p95: 95th percentile.
        p99: 99th percentile.
    """

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured in one repeat of a step.

    Args:
        requests: Requests that were answered.
        failed: Requests that were not.
        errors: Failed requests by kind, such as "429 TooManyRequests".
        seconds: From the first request to the last answer.
        input_tokens: Mean tokens of a prompt, as the server counts them; None without a success.
        output_tokens: Mean tokens of an answer, as the server counts them; None without a success.
        ttft_ms: Time to the first token; None without a success.
        tpot_ms: Mean time per further token of a request; None without an answer of two tokens.
        request_ms: Time of the whole request; None without a success.
        output_tok_s: Output tokens per second.
        requests_s: Answered requests per second.
        good: Share of all requests that were answered within the bounds; None without bounds.
        goodput_s: Good requests per second; None without bounds.
    """

    requests: int
    failed: int
    errors: dict[str, int]
    seconds: float
    input_tokens: float | None
    output_tokens: float | None
    ttft_ms: Distribution | None
    tpot_ms: Distribution | None
    request_ms: Distribution | None
    output_tok_s: float
    requests_s: float
    good: float | None
    goodput_s: float | None


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The deployment that answered: everything that can make two runs differ.

    Args:
        instance: Instance type.
        instances: Instances of the endpoint.
        copies: Copies of the component that SageMaker reports before the run; 0 where it reports none.
        gpus: GPUs of a copy.
        image: Image by digest where SageMaker has resolved it, else as it is specified.
        sglang_version: SGLang's release in the image, as the specification states it.
        options: SGLang's options as JSON: the container's SM_SGLANG_ variables.
        options_hash: Twelve hexadecimal digits of the options.
        model: Catalogue id or location of the model.
        model_revision: Location of the weights, with the commit if they are from Hugging Face.
    """

    instance: str
    instances: int
    copies: int
    gpus: int
    image: str
    sglang_version: str
    options: str
    options_hash: str
    model: str
    model_revision: str


@dataclass(frozen=True, kw_only=True)
class Band:
    """A planned figure.

    Args:
        low: Lower end of its band.
        value: The figure.
        high: Upper end.
    """

    low: float
    value: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The plan's predictions for a step, at the load of one copy.

    Args:
        ttft_ms: Time to the first token; None if it cannot be predicted.
        tpot_ms: Time per further token; None if it cannot be predicted.
        output_tok_s: Output tokens per second of all copies; None if it cannot be predicted.
    """

    ttft_ms: Band | None = None
    tpot_ms: Band | None = None
    output_tok_s: Band | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One repeat of one step of a run.

    Args:
        schema_version: Version of this schema.
        run: Identifier of the run, such as 20261130T123139-4f2a.
        environment: The environment.
        endpoint: SageMaker's name of the endpoint.
        component: SageMaker's name of the component.
        region: Region.
        workload: Name of the workload.
        workload_hash: Digits that differ where the requests differ.
        workload_content: The requests, as JSON.
        runner: What sent them: aiperf-openai, aiperf-streaming or sagemaker.
        tool_version: Version of AIPerf.
        started: Start of the repeat, UTC.
        ended: End of the repeat, UTC.
        step: Position of the step, from 0.
        repeat: Position of the repeat, from 0.
        concurrency: Requests in flight; None where a rate was kept.
        request_rate: Requests per second; None where the concurrency was kept.
        is_partial: Whether the repeat was cut short.
        outcome: How the run ended.
        wake_seconds: Seconds that waking the component took, which no figure includes.
        usd_per_hour: US dollars per hour of the endpoint's instances; None without a price.
        figures: What was measured.
        deployed: What answered.
        planned: The plan's predictions; None if the model is unknown or the number of copies changed.
        copies_min: Minimum number of copies that SageMaker reported during the repeat; None if it reported none, though requests may have been
            answered.
        copies_max: Maximum number of copies that it reported.
        max_error_rate: Share of failed requests above which the figures do not count; None in rows from before 2026-12-02.
    """

    schema_version: int
    run: str
    environment: str
    endpoint: str
    component: str
    region: str
    workload: str
    workload_hash: str
    workload_content: str
    runner: str
    tool_version: str
    started: dt.datetime
    ended: dt.datetime
    step: int
    repeat: int
    concurrency: int | None
    request_rate: float | None
    is_partial: bool
    outcome: Outcome
    wake_seconds: float
    usd_per_hour: float | None
    figures: Figures
    deployed: Deployed
    planned: Planned | None
    copies_min: int | None = None
    copies_max: int | None = None
    max_error_rate: float | None = None

    @property
    def load(self) -> float:
        """Position on the axis of loads: requests in flight, or per second."""
        return self.request_rate if self.request_rate is not None else float(self.concurrency or 0)

    @property
    def usd_per_million_output_tokens(self) -> float | None:
        """US dollars of the endpoint's instances per million output tokens at this throughput; None without a price or a success."""
        if self.usd_per_hour is None or not self.figures.output_tok_s:
            return None
        return self.usd_per_hour / (self.figures.output_tok_s * 3600) * 1e6
