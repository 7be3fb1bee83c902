"""Speculative decoding behind a gate: a draft is trained or supplied, compared with the model alone, and served only if it is faster."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.hardware.optimization import job_type_problem, job_types
from cdk_sglang.spec.alternatives import OneOf
from cdk_sglang.spec.kinds import Count, InstanceName
from cdk_sglang.spec.model import hub_problems, uri_mistakes
from cdk_sglang.spec.s3 import place_of
from cdk_sglang.spec.slo import AT_CONCURRENCY_MAX
from cdk_sglang.validation import Spec
from cdk_sglang.wording import exactly_one

Kind: TypeAlias = Literal["eagle", "draft", "nextn", "ngram"]
"""Source of the draft: trained by an optimization job, trained elsewhere, the model's own prediction layers, or the text itself."""

BUILT_IN: Final = "built_in"
CAPTURED: Final = "captured"
USD_MAX: Final = 100_000
"""Maximum of a cost ceiling: a larger one is assumed to be a typing error."""
_USD_PER_HOUR_MAX: Final = 1000
"""Maximum price of an instance, for the same reason: the most expensive in the price table costs a tenth of it."""
_CONCURRENCY_STEPS_MAX: Final = 8
_SPEEDUP_MAX: Final = 5.0
_JOB_HOURS_MAX: Final = 672
"""MaxRuntimeInSeconds of a training job is at most 28 days (botocore 1.44.5, StoppingCondition; quota LongestRunTime)."""
_SCRUB: Final = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]{1,128})?"
)
"""ARN of a function, with or without a version (botocore 1.44.5, lambda FunctionArn)."""


def _dataset(value: str) -> str:
    if value in {BUILT_IN, CAPTURED}:
        return value
    if not value.startswith("s3://"):
        raise ValueError(
            f"{value!r} is not allowed; use {BUILT_IN}, {CAPTURED} or a place in S3, such as s3://bucket/prefix/"
        )
    for mistake in uri_mistakes(value):
        raise ValueError(mistake)
    return value if value.endswith(("/", ".jsonl")) else f"{value}/"


def _scrub(value: str) -> str:
    if not _SCRUB.fullmatch(value):
        raise ValueError(
            f"{value!r} is not the ARN of a Lambda function; write arn:aws:lambda:<Region>:<account>:function:<name>"
        )
    return value


def _ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError(f"{list(values)} is not in ascending order; list each step once, from lowest to highest")
    return values


class Gate(Spec):
    """What a draft must achieve before it serves: it is measured next to the model alone, with the same requests and in the same hour."""

    _noun: ClassVar[str] = "gate"

    min_speedup: float = Field(default=1.15, ge=1, le=_SPEEDUP_MAX)
    """Minimum output tokens per second with the draft, as a multiple of the model alone, at every measured concurrency."""
    max_ttft_regression: float = Field(default=0.10, ge=0, le=10)
    """Maximum increase of the mean time to the first token, as a share of the model alone: 0.1 is a tenth."""
    concurrency: (
        Annotated[
            tuple[Annotated[int, Field(ge=1, le=AT_CONCURRENCY_MAX)], ...],
            Field(strict=False),
            Count(1, _CONCURRENCY_STEPS_MAX, "steps"),
            AfterValidator(_ascending),
        ]
        | None
    ) = None
    """Numbers of requests in flight at which both are measured, such as [1, 8]; by default 1, and those of the slo and of the scaling target."""
    repeats: int = Field(default=3, ge=2, le=20)
    """Number of measurements at each concurrency; their spread gives the confidence intervals."""
    second_endpoint: bool = False
    """Whether a short-lived endpoint may be created for the measurement if the endpoint has no spare GPUs."""
    gate_max_usd: float = Field(default=100, gt=0, le=USD_MAX)
    """Cost ceiling of the measurement, in US dollars at on-demand prices: it ends when the ceiling is reached."""
    approval: Literal["none", "required"] = "none"
    """Whether a person must approve after the measurement: with `required`, the report is mailed and the pipeline waits for a week."""


class Drafting(Gate):
    """A gate, and how many tokens are drafted at once."""

    num_steps: int | None = Field(default=None, ge=1, le=16)
    """Tokens drafted in sequence; give it together with eagle_topk and num_draft_tokens, or omit all three. SGLang's own choice for the model by
    default."""
    eagle_topk: int | None = Field(default=None, ge=1, le=16)
    """Branches per step; 1 is a chain."""
    num_draft_tokens: int | None = Field(default=None, ge=2, le=128)
    """Tokens verified in one pass; num_steps + 1 for a chain."""

    @model_validator(mode="after")
    def _all_three(self) -> Self:
        raise_if_any(_three_problems(self.num_steps, self.eagle_topk, self.num_draft_tokens))
        return self


class Retrain(Spec):
    """When a new draft is trained automatically. Each training may cost up to its ceiling, and its draft must pass the same gate."""

    _noun: ClassVar[str] = "retrain"

    every_days: int | None = Field(default=None, ge=1, le=365)
    """Days between two trainings; no schedule by default."""
    on_alarm: bool = False
    """Whether the accept-length alarm starts a training."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.every_days is None and not self.on_alarm:
            raise ValueError("has no trigger; give every_days, or on_alarm: true, or leave retrain out")
        return self


class EagleTraining(Gate):
    """A draft that a SageMaker optimization job trains for the component's model."""

    _noun: ClassVar[str] = "eagle"

    dataset: Annotated[
        str,
        AfterValidator(_dataset),
        WithJsonSchema({"type": "string", "pattern": f"^({BUILT_IN}|{CAPTURED}|s3://.+)$"}),
    ]
    """Training data: `built_in`, AWS's public data sets; `captured`, a sample of the endpoint's own requests and answers; or an S3 location
    with JSONL in the format of ShareGPT, OpenAI chat or OpenAI completions."""
    instance: InstanceName | None = None
    """Instance type of the training; the component's by default, if optimization jobs support it."""
    max_usd: float = Field(gt=0, le=USD_MAX)
    """Cost ceiling of the training, in US dollars at on-demand prices: the job is stopped when it is reached."""
    usd_per_hour: float | None = Field(default=None, gt=0, le=_USD_PER_HOUR_MAX)
    """Hourly price of the training instance, in US dollars; by default the hosting price of the type, since no price of optimization jobs is known.
    The cost of a training, and the time at which it reaches max_usd, are calculated from it."""
    max_hours: float = Field(default=24, gt=0, le=_JOB_HOURS_MAX)
    """Maximum duration of a training, in hours."""
    accept_eula: bool = False
    """Whether you accept the licence of a gated model, as SageMaker requires."""
    captured_samples: int | None = Field(default=None, ge=100, le=1_000_000)
    """With `captured`: number of conversations to train on; 1,000 by default. If fewer are captured, the run ends before it costs anything."""
    sampling_percent: int | None = Field(default=None, ge=1, le=100)
    """With `captured`: percentage of the requests that are kept in the weights bucket, with their answers; 10 by default."""
    scrub: (
        Annotated[str, AfterValidator(_scrub), WithJsonSchema({"type": "string", "pattern": f"^{_SCRUB.pattern}$"})]
        | None
    ) = None
    """With `captured`: ARN of your Lambda function that removes content that must not be trained on. It receives {"conversations": [...]} and returns
    the same structure without that content. Nothing is removed by default."""
    retrain: Retrain | None = None
    """When a new draft is trained automatically; never by default."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        problems = [
            Problem(name, f"goes with dataset: {CAPTURED}, got dataset: {self.dataset}; remove it")
            for name in ("captured_samples", "sampling_percent", "scrub")
            if self.dataset != CAPTURED and getattr(self, name) is not None
        ]
        if self.instance is not None and (text := job_type_problem(self.instance)) is not None:
            problems.append(Problem("instance", f"{text}; use one of {', '.join(job_types())}"))
        raise_if_any(problems)
        return self

    @property
    def is_captured(self) -> bool:
        """Whether the draft is trained on the endpoint's own traffic."""
        return self.dataset == CAPTURED

    @property
    def samples(self) -> int:
        """Number of conversations to train on, from captured traffic."""
        return 1000 if self.captured_samples is None else self.captured_samples

    @property
    def capture_percent(self) -> int:
        """Share of the requests that are captured, in percent."""
        return 10 if self.sampling_percent is None else self.sampling_percent


class DraftModel(Drafting):
    """A draft that was trained elsewhere, for example by SpecForge; exactly one of hugging_face and s3."""

    _noun: ClassVar[str] = "draft"

    hugging_face: str | None = None
    """Hugging Face repository, such as owner/name; the deployment copies it into the environment's weights bucket."""
    revision: str | None = None
    """With hugging_face: a commit, 40 hexadecimal digits, in quotes."""
    s3: str | None = None
    """S3 URI of the draft's config.json and safetensors, such as s3://models/draft/."""

    @model_validator(mode="after")
    def _place_fits(self) -> Self:
        present_names = [name for name in ("hugging_face", "s3") if getattr(self, name) is not None]
        if len(present_names) != 1:
            raise ValueError(exactly_one(["hugging_face", "s3"], present_names))
        if self.hugging_face is not None:
            problems = hub_problems(self.hugging_face, self.revision)
        else:
            assert self.s3 is not None
            problems = [Problem("s3", text) for text in uri_mistakes(self.s3)]
            if self.revision is not None:
                problems.append(Problem("revision", "goes with hugging_face; remove it"))
        raise_if_any(problems)
        return self

    @property
    def bucket_name(self) -> str | None:
        """Bucket that `s3` names; None for a draft that the deployment copies into the environment's own bucket."""
        place = None if self.s3 is None else place_of(self.s3)
        return None if place is None else place.bucket

    @property
    def folder(self) -> str:
        """Prefix of the draft's files in their bucket, ending in a slash."""
        if self.hugging_face is not None:
            return f"weights/{self.hugging_face}/{self.revision}/"
        place = None if self.s3 is None else place_of(self.s3)
        key = "" if place is None else place.key
        return key if key.endswith("/") else f"{key}/"


class NextN(Drafting):
    """The model's own multi-token prediction layers draft tokens; nothing is trained."""

    _noun: ClassVar[str] = "nextn"


class Ngram(Gate):
    """Tokens are drafted from the preceding text; there is no draft model."""

    _noun: ClassVar[str] = "ngram"

    num_draft_tokens: int | None = Field(default=None, ge=2, le=128)
    """Tokens verified in one pass; 12 by default, as in SGLang."""


class Speculative(OneOf):
    """Speculative decoding that serves only once it has been measured to be faster; exactly one of eagle, draft, nextn and ngram."""

    _noun: ClassVar[str] = "speculative"
    _alternatives: ClassVar[tuple[str, ...]] = ("eagle", "draft", "nextn", "ngram")

    eagle: EagleTraining | None = None
    """An EAGLE draft that a SageMaker optimization job trains."""
    draft: DraftModel | None = None
    """A draft that was trained elsewhere."""
    nextn: NextN | None = None
    """The model's own prediction layers (multi-token prediction)."""
    ngram: Ngram | None = None
    """Drafts from the text itself."""

    @property
    def kind(self) -> Kind:
        """The one of the four that is given."""
        kinds: tuple[Kind, ...] = ("eagle", "draft", "nextn", "ngram")
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @property
    def gate(self) -> Gate:
        """What a draft must achieve."""
        found = self.eagle or self.draft or self.nextn or self.ngram
        assert found is not None
        return found

    @property
    def has_draft_model(self) -> bool:
        """Whether there is a draft model with files of its own."""
        return self.kind in {"eagle", "draft"}


def _three_problems(steps: int | None, topk: int | None, tokens: int | None) -> list[Problem]:
    values = {"num_steps": steps, "eagle_topk": topk, "num_draft_tokens": tokens}
    missing = [name for name, value in values.items() if value is None]
    if 0 < len(missing) < len(values):
        others = ", ".join(name for name in values if name not in missing)
        return [
            Problem(missing[0], f"missing, got {others} alone; add {' and '.join(missing)}, or leave all three out")
        ]
    if steps is not None and topk == 1 and tokens != steps + 1:
        return [
            Problem(
                "num_draft_tokens",
                f"a chain (eagle_topk 1) verifies num_steps + 1 tokens, got {tokens}; use {steps + 1}",
            )
        ]
    return []
