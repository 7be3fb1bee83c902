"""Requests that a benchmark sends, and when it stops."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alternatives import OneOf
from cdk_sglang.spec.kinds import NAME_PATTERN, Count, matching
from cdk_sglang.spec.load import IMAGES_MAX, Tokens
from cdk_sglang.spec.s3 import empty_part, place_of
from cdk_sglang.spec.slo import AT_CONCURRENCY_MAX
from cdk_sglang.validation import Spec

STEPS_MAX: Final = 20
"""Maximum number of steps in a ladder; each step needs its own run per repeat."""

RATE_MAX: Final = 10_000
MAX_ERROR_RATE: Final = 0.1
"""Share of failed requests above which the results of the answered ones say little about the component. AIPerf 0.13.0
(failed_request_threshold) and k6 (a threshold on http_req_failed, exit code 99: https://grafana.com/docs/k6/latest/using-k6/thresholds, read
2026-12) have such a limit, without a default."""
_SECONDS_MAX: Final = 24 * 3600
_TURNS_MAX: Final = 100

ComponentPath = Annotated[
    str, *matching(f"{NAME_PATTERN}/{NAME_PATTERN}", "<endpoint>/<component>, such as chat/llama", max_length=81)
]
"""A component of an environment, as <endpoint>/<component>."""


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError(f"{list(values)} is not in ascending order; list each step once, from lowest to highest")
    return values


Ladder = Annotated[
    tuple[Annotated[int, Field(ge=1, le=AT_CONCURRENCY_MAX)], ...],
    Field(strict=False),
    Count(1, STEPS_MAX, "steps"),
    AfterValidator(_ascending),
]
"""Requests in flight, step by step."""

Rates = Annotated[
    tuple[Annotated[float, Field(gt=0, le=RATE_MAX)], ...],
    Field(strict=False),
    Count(1, STEPS_MAX, "steps"),
    AfterValidator(_ascending),
]
"""Requests per second, step by step."""


def _s3_file(value: str) -> str:
    place = place_of(value)
    if place is None or not place.key or place.key.endswith("/"):
        raise ValueError(f"{value!r} is not a file in S3; write s3://bucket/folder/file.jsonl")
    wrong = empty_part(place.key)
    if wrong is not None:
        raise ValueError(wrong)
    return value


S3File = Annotated[str, AfterValidator(_s3_file), WithJsonSchema({"type": "string", "pattern": "^s3://.+[^/]$"})]
"""URI of one object in S3."""


class SharedPrefix(Spec):
    """Text with which all prompts begin, such as a system prompt, whose KV cache SGLang reuses."""

    _noun: ClassVar[str] = "shared_prefix"

    tokens: int = Field(ge=1, le=1_000_000)
    """Length of the text in tokens; it counts towards the prompt's tokens."""
    prefixes: int = Field(default=1, ge=1, le=10_000)
    """Number of different texts; each request uses one at random."""


class Turns(Spec):
    """Conversations of several requests, each of which includes all earlier messages."""

    _noun: ClassVar[str] = "turns"

    mean: int = Field(ge=1, le=_TURNS_MAX)
    """Mean number of requests in a conversation."""
    stddev: float = Field(default=0, ge=0, le=_TURNS_MAX)
    """Standard deviation of that number."""
    delay_ms: float = Field(default=0, ge=0, le=3_600_000)
    """Mean pause between an answer and the next request, in milliseconds."""


class Dataset(OneOf):
    """Your own prompts, one JSON object per line; exactly one of file and s3."""

    _noun: ClassVar[str] = "dataset"
    _alternatives: ClassVar[tuple[str, ...]] = ("file", "s3")

    file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """A file on this machine, relative to the environment's folder."""
    s3: S3File | None = None
    """An object in S3."""
    format: Literal["single_turn", "multi_turn", "mooncake_trace"] = "single_turn"
    """Format of a line: `single_turn` {"text": …}; `multi_turn` {"turns": [{"text": …}, …]}; `mooncake_trace`
    {"timestamp": ms, "input_length": n, "output_length": n, "hash_ids": […]}."""
    sampling: Literal["sequential", "random", "shuffle"] = "sequential"
    """Order in which lines are taken."""


class Goodput(Spec):
    """Limits that a request must meet to count as good."""

    _noun: ClassVar[str] = "goodput"

    ttft_ms: float | None = Field(default=None, gt=0, le=600_000)
    """Maximum time to the first token, in milliseconds."""
    tpot_ms: float | None = Field(default=None, gt=0, le=60_000)
    """Maximum mean time per output token after the first, in milliseconds."""
    request_ms: float | None = Field(default=None, gt=0, le=3_600_000)
    """Maximum time of the whole request, in milliseconds."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.ttft_ms is None and self.tpot_ms is None and self.request_ms is None:
            raise ValueError("bounds nothing; give ttft_ms, tpot_ms or request_ms, or leave goodput out")
        return self


class Workload(Spec):
    """Requests that a benchmark sends to one component, and when it stops; defaults come from the component's load and slo."""

    _noun: ClassVar[str] = "workload"

    component: ComponentPath | None = None
    """The component, as <endpoint>/<component>; optional if the environment has only one."""
    input_tokens: Tokens | None = None
    """Mean number of tokens in a prompt, without those of images; the component's load by default."""
    input_tokens_stddev: float = Field(default=0, ge=0, le=10_000_000)
    """Standard deviation of that number."""
    output_tokens: Tokens | None = None
    """Mean number of tokens in an answer; the component's load by default."""
    output_tokens_stddev: float = Field(default=0, ge=0, le=10_000_000)
    """Standard deviation of that number."""
    images: int | None = Field(default=None, ge=0, le=IMAGES_MAX)
    """Number of images in each request, which are random noise in the load's image_resolution; the component's load by default, 0 for text only."""
    exact_output: bool = True
    """Whether answers always reach their full length (ignore_eos), so that runs are comparable."""
    concurrency: Ladder | None = None
    """Requests in flight over the whole component, step by step; by default 1 and slo.at_concurrency (16 without an slo)."""
    request_rate: Rates | None = None
    """Instead of concurrency: requests per second, step by step."""
    arrival: Literal["poisson", "constant"] = "poisson"
    """With request_rate: how requests arrive."""
    max_in_flight: int | None = Field(default=None, ge=1, le=AT_CONCURRENCY_MAX)
    """With request_rate: maximum number of requests in flight; no limit by default."""
    requests: int | None = Field(default=None, ge=1, le=1_000_000)
    """Number of requests in a step; by default ten for each request in flight, at least 20."""
    seconds: float | None = Field(default=None, ge=1, le=_SECONDS_MAX)
    """Instead of requests: duration of a step in seconds; 60 by default with request_rate."""
    warmup_requests: int | None = Field(default=None, ge=0, le=100_000)
    """Number of requests before each step that are not counted; by default as many as are in flight."""
    repeats: int = Field(default=3, ge=1, le=20)
    """Number of times each step is measured; confidence intervals are calculated from the repeats."""
    shared_prefix: SharedPrefix | None = None
    """Text with which all prompts begin; none by default."""
    turns: Turns | None = None
    """Conversations instead of single requests; single requests by default."""
    dataset: Dataset | None = None
    """Your own prompts instead of generated ones."""
    goodput: Goodput | None = None
    """Limits of a good request; ttft_ms and tpot_ms of the component's slo by default."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Seed of generated prompts: the same seed gives the same requests."""
    timeout_seconds: float = Field(default=120, ge=1, le=3600)
    """Seconds after which a request counts as failed."""
    max_usd: float | None = Field(default=None, gt=0, le=1_000_000)
    """Maximum cost of the endpoint's instances while the benchmark runs, in US dollars; the run stops there. No limit by default."""

    max_error_rate: float = Field(default=MAX_ERROR_RATE, ge=0, le=1)
    """Maximum share of failed requests, 0 to 1; above it the results of a repeat do not count, and the run ends with exit code 1."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        raise_if_any([*_load_problems(self), *_prompt_problems(self)])
        return self


def _load_problems(workload: Workload) -> list[Problem]:
    problems = []
    if workload.concurrency is not None and workload.request_rate is not None:
        problems.append(Problem("request_rate", "replaces concurrency; give only one of them"))
    if workload.requests is not None and workload.seconds is not None:
        problems.append(Problem("seconds", "replaces requests; give only one of them"))
    if workload.request_rate is None:
        problems += [
            Problem(name, "goes with request_rate; give request_rate, or leave it out")
            for name in ("arrival", "max_in_flight")
            if name in workload.model_fields_set
        ]
    most = max(workload.concurrency or (1,))
    if workload.requests is not None and workload.requests < most:
        problems.append(
            Problem(
                "requests",
                f"{workload.requests} never has {most} in flight; use {most} or more, or lower the last step of concurrency",
            )
        )
    return problems


def _prompt_problems(workload: Workload) -> list[Problem]:
    problems = []
    if workload.dataset is not None:
        problems += [
            Problem(name, "the dataset has the prompts; leave it out, or leave dataset out")
            for name in ("input_tokens", "input_tokens_stddev", "images", "shared_prefix", "turns")
            if name in workload.model_fields_set and getattr(workload, name) is not None
        ]
        return problems
    for name in ("input_tokens", "output_tokens"):
        mean, stddev = getattr(workload, name), getattr(workload, f"{name}_stddev")
        if mean is not None and stddev > mean:
            problems.append(
                Problem(f"{name}_stddev", f"{stddev:g} is more than the mean, {mean:g}; use at most the mean")
            )
    prefix = workload.shared_prefix
    if prefix is not None and workload.input_tokens is not None and prefix.tokens >= workload.input_tokens:
        problems.append(
            Problem(
                "shared_prefix.tokens",
                f"{prefix.tokens} leaves none of the {workload.input_tokens:g} input_tokens for the request itself; use fewer",
            )
        )
    return problems
