"""Resolves a workload: omitted values follow from the component's load and objectives."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.load import Load
from cdk_sglang.spec.slo import AT_CONCURRENCY, Slo
from cdk_sglang.spec.workload import MAX_ERROR_RATE, Dataset, Goodput, SharedPrefix, Turns, Workload

_REQUESTS_PER_IN_FLIGHT: Final = 10
_FEWEST_REQUESTS: Final = 20
_RATE_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One load of a workload.

    Attributes:
        concurrency: Requests in flight; with a rate, their maximum, or None for no limit.
        request_rate: Requests per second; None if the concurrency is constant instead.
        requests: Requests counted; None where seconds end the step.
        seconds: Seconds of the step; None where requests end it.
        warmup_requests: Requests before it that are not counted.
    """

    concurrency: int | None
    request_rate: float | None
    requests: int | None
    seconds: float | None
    warmup_requests: int

    @property
    def label(self) -> str:
        """The load in words, such as "16 in flight" or "2.5/s"."""
        return f"{self.concurrency} in flight" if self.request_rate is None else f"{self.request_rate:g}/s"


@dataclass(frozen=True, kw_only=True)
class SentImages:
    """Images of each request.

    Attributes:
        count: Number of them.
        height: Height in pixels.
        width: Width in pixels.
    """

    count: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class ResolvedWorkload:
    """A workload with every value resolved.

    Attributes:
        name: Name in the environment.
        steps: Loads, from the least to the most.
        input_tokens: Mean tokens of a prompt; None where a dataset has the prompts.
        input_tokens_stddev: Standard deviation of that number.
        output_tokens: Mean tokens of an answer; None where a trace says it.
        output_tokens_stddev: Standard deviation of that number.
        images: Images of each request; None for text only, or if a dataset has the prompts.
        exact_output: Whether answers are generated to their full length, ignoring end-of-text tokens.
        arrival: How requests arrive at a rate: poisson or constant.
        repeats: Number of measurements of each step.
        shared_prefix: Text with which all prompts begin; None if there is none.
        turns: Conversations; None for single requests.
        dataset: The user's own prompts; None for generated ones.
        goodput: Bounds of a good request; None if there are none.
        seed: Seed of generated prompts.
        timeout_seconds: Seconds after which a request counts as failed.
        max_usd: Cost ceiling of the run in US dollars; None if there is none.
        max_error_rate: Share of failed requests above which a repeat's figures do not count.
    """

    name: str
    steps: tuple[Step, ...]
    input_tokens: float | None
    input_tokens_stddev: float
    output_tokens: float | None
    output_tokens_stddev: float
    images: SentImages | None
    exact_output: bool
    arrival: str
    repeats: int
    shared_prefix: SharedPrefix | None
    turns: Turns | None
    dataset: Dataset | None
    goodput: Goodput | None
    seed: int
    timeout_seconds: float
    max_usd: float | None
    max_error_rate: float = MAX_ERROR_RATE

    @property
    def content(self) -> str:
        """The requests as JSON, without name, repeats, ceiling and bound of errors: two runs with the same content are comparable."""
        values = {
            name: value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else value
            for name, value in vars(self).items()
            if name not in {"name", "repeats", "max_usd", "max_error_rate", "steps", "images"}
        }
        if self.images is not None:  # a workload of text keeps the hash that it had before there were images
            values["images"] = asdict(self.images)
        return json.dumps({**values, "steps": [asdict(step) for step in self.steps]}, sort_keys=True)

    @property
    def content_hash(self) -> str:
        """Twelve hexadecimal digits of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:12]


def resolve_workload(name: str, workload: Workload, *, load: Load, slo: Slo | None) -> ResolvedWorkload:
    """Resolve a workload on its component.

    Args:
        name: Name of the workload.
        workload: The specification.
        load: Requests that the component expects.
        slo: Its objectives; None if there are none.

    Raises:
        ConfigurationError: The load's images are no whole number, and the workload names none.
    """
    has_prompts = workload.dataset is not None
    is_trace = workload.dataset is not None and workload.dataset.format == "mooncake_trace"
    return ResolvedWorkload(
        name=name,
        steps=_steps(workload, slo),
        input_tokens=None if has_prompts else workload.input_tokens or load.input_tokens,
        input_tokens_stddev=workload.input_tokens_stddev,
        output_tokens=workload.output_tokens or (None if is_trace else load.output_tokens),
        output_tokens_stddev=workload.output_tokens_stddev,
        images=None if has_prompts else _images(name, workload, load),
        exact_output=workload.exact_output,
        arrival=workload.arrival,
        repeats=workload.repeats,
        shared_prefix=workload.shared_prefix,
        turns=workload.turns,
        dataset=workload.dataset,
        goodput=workload.goodput or _goodput(slo),
        seed=workload.seed,
        timeout_seconds=workload.timeout_seconds,
        max_usd=workload.max_usd,
        max_error_rate=workload.max_error_rate,
    )


def _images(name: str, workload: Workload, load: Load) -> SentImages | None:
    count = load.images if workload.images is None else workload.images
    if count != int(count):
        text = f"missing: load.images is {count:g}, and AIPerf sends the same number in every request; write images: {max(1, round(count))}, or 0 for text alone"
        raise ConfigurationError([Problem(f"bench.{name}.images", text)])
    height, width = load.image_size
    return SentImages(count=int(count), height=height, width=width) if count else None


def _steps(workload: Workload, slo: Slo | None) -> tuple[Step, ...]:
    if workload.request_rate is not None:
        seconds = None if workload.requests is not None else workload.seconds or _RATE_SECONDS
        return tuple(
            Step(
                concurrency=workload.max_in_flight,
                request_rate=rate,
                requests=workload.requests,
                seconds=seconds,
                warmup_requests=_chosen(workload.warmup_requests, max(1, round(rate))),
            )
            for rate in workload.request_rate
        )
    at_once = round(AT_CONCURRENCY if slo is None else slo.at_concurrency)
    ladder = workload.concurrency or tuple(sorted({1, max(1, at_once)}))
    return tuple(
        Step(
            concurrency=level,
            request_rate=None,
            requests=None
            if workload.seconds is not None
            else workload.requests or max(_FEWEST_REQUESTS, _REQUESTS_PER_IN_FLIGHT * level),
            seconds=workload.seconds,
            warmup_requests=_chosen(workload.warmup_requests, level),
        )
        for level in ladder
    )


def _chosen(value: int | None, default: int) -> int:
    return default if value is None else value


def _goodput(slo: Slo | None) -> Goodput | None:
    if slo is None or (slo.ttft_ms is None and slo.tpot_ms is None):
        return None
    return Goodput(ttft_ms=slo.ttft_ms, tpot_ms=slo.tpot_ms)
