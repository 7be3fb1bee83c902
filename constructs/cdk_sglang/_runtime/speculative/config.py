"""Static configuration of the functions, from the environment variable CONFIG, and the event that a state passes to its function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

Kind = Literal["eagle", "draft", "nextn", "ngram"]
KINDS: tuple[Kind, ...] = ("eagle", "draft", "nextn", "ngram")
BASE_VALUE = "base,,,,,,"
"""Value of the stack's parameter while the component serves only its base model."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder in S3.

    Attributes:
        bucket: Name of the bucket.
        prefix: Prefix of the folder's keys; ends in "/" unless empty.
    """

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """Address of the folder, for example s3://bucket/prefix/."""
        return f"s3://{self.bucket}/{self.prefix}"

    @classmethod
    def parse(cls, uri: str) -> Place:
        """Parse the address of a folder.

        Raises:
            ValueError: The text is not an S3 address.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError(f"{uri!r} is no address in S3; expected s3://bucket/prefix/")
        return cls(bucket=bucket, prefix=folder(prefix))


def folder(prefix: str) -> str:
    """Return a prefix with the "/" at its end."""
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training of an EAGLE draft by a SageMaker optimization job.

    Attributes:
        instance: Instance type of the job.
        usd_per_hour: Price of that instance, in US dollars an hour.
        is_price_given: Whether the owner named that price; otherwise it is the price of hosting on the type, which is assumed.
        max_usd: Ceiling of the job, in US dollars.
        max_hours: Ceiling of the job, in hours.
        accept_eula: Whether the owner has accepted the licence of the base model.
        dataset: `built_in`, `captured`, or an address in S3.
        captured: Folder of the endpoint's data capture; None without it.
        captured_samples: Conversations that are drawn from the captured ones.
        scrub: ARN of the function that removes what must not be trained on; empty if there is none.
    """

    instance: str
    usd_per_hour: float
    max_usd: float
    max_hours: float
    is_price_given: bool = False
    accept_eula: bool = False
    dataset: str = "built_in"
    captured: Place | None = None
    captured_samples: int = 1000
    scrub: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The benchmark that a candidate has to pass.

    Attributes:
        min_speedup: Minimum mean ratio of output tokens per second, candidate over base.
        max_ttft_regression: Maximum mean increase in the time to first token, as a fraction.
        concurrency: Requests in flight at once, one step each.
        repeats: Repeats of each step.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        requests: Requests of a step by its concurrency.
        second_endpoint: Whether a short-lived second endpoint may be created when the endpoint has no spare GPUs.
        instance: Instance type of the second endpoint, and of the endpoint's own spare capacity.
        usd_per_hour: Price of that instance, in US dollars an hour.
        gpus: GPUs of that instance.
        max_usd: Ceiling of the gate, in US dollars.
        log_retention_days: Days that the canaries' logs are kept.
    """

    min_speedup: float
    max_ttft_regression: float
    concurrency: tuple[int, ...]
    repeats: int
    input_tokens: int
    output_tokens: int
    requests: Mapping[int, int]
    second_endpoint: bool
    instance: str
    usd_per_hour: float
    gpus: int
    max_usd: float
    log_retention_days: int


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that is known at deployment.

    Attributes:
        environment: Name of the environment.
        endpoint: Name of the endpoint in SageMaker.
        component: Name of the component in SageMaker.
        kind: How draft tokens are generated.
        stack: Name or ARN of the serving stack.
        parameter: Parameter of that stack that holds the promoted version; it follows the base model.
        bucket: Bucket of weights.
        base: Folder of the base model.
        model_package_group: Group of the registry's model packages.
        job_role_arn: Role of optimization jobs.
        execution_role_arn: Role of the canaries' models.
        benchmark_role_arn: Role of AI benchmark jobs.
        tokenizer: Hugging Face repository of the tokenizer used to generate the gate's prompts.
        training: Training of an EAGLE draft; None for other kinds.
        draft_source: Folder of a draft that was trained elsewhere; None for other kinds.
        gate: The benchmark gate.
        approval: Whether a person approves a promotion.
        topic_arn: Topic that the question is sent to; empty without approval.
        enrichment: Whether CloudWatch supports PromQL over the engine's metrics.
        accept_length_query: PromQL of the accept length, with ${component} and ${window}; empty without enrichment.
        architecture: Facts of the base model that were known at deployment.
        steps: Draft steps that the owner chose; None to use those of the evaluation, or SGLang's own.
        topk: Width of the draft tree that the owner chose.
        draft_tokens: Draft tokens that the owner chose.
    """

    environment: str
    endpoint: str
    component: str
    kind: Kind
    stack: str
    parameter: str
    bucket: str
    base: Place
    model_package_group: str
    execution_role_arn: str
    benchmark_role_arn: str
    gate: Gate
    job_role_arn: str = ""
    tokenizer: str = ""
    training: Training | None = None
    draft_source: Place | None = None
    approval: bool = False
    topic_arn: str = ""
    enrichment: bool = False
    accept_length_query: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    topk: int | None = None
    draft_tokens: int | None = None

    @property
    def state_machine(self) -> str:
        """Name of the state machine."""
        return f"{self.component}-speculative"

    @property
    def root(self) -> str:
        """Prefix of everything that belongs to this component."""
        return f"speculative/{self.component}/"

    @property
    def place_of_command(self) -> str:
        """Options of the command line that name the component."""
        return f"--env {self.environment} --component {self.component}"

    def execution_key(self, execution: str) -> str:
        """Return the key of the record that names an execution's run."""
        return f"{self.run_prefix(execution)}execution.json"

    def run_prefix(self, run: str) -> str:
        """Return the prefix of a run's evidence."""
        return f"{self.root}runs/{run}/"

    def version_prefix(self, run: str) -> str:
        """Return the prefix of the version that a run makes."""
        return f"{self.root}versions/{run}/"

    @classmethod
    def parse(cls, text: str) -> Config:
        """Read CONFIG.

        Raises:
            ValueError: A value is missing or has another form.
        """
        content: dict[str, Any] = json.loads(text)
        try:
            kind = content["kind"]
            if kind not in KINDS:
                raise ValueError(f"CONFIG: kind {kind!r}; expected one of {', '.join(KINDS)}")
            return cls(
                environment=content["environment"],
                endpoint=content["endpoint_name"],
                component=content["component_name"],
                kind=cast("Kind", kind),
                stack=content["stack_name"],
                parameter=content["parameter"],
                bucket=content["bucket"],
                base=_base(content),
                model_package_group=content["model_package_group"],
                job_role_arn=content.get("job_role_arn") or "",
                execution_role_arn=content["execution_role_arn"],
                benchmark_role_arn=content["benchmark_role_arn"],
                tokenizer=content.get("tokenizer") or "",
                training=_training(content) if kind == "eagle" else None,
                draft_source=_place(content.get("draft_source")) if kind == "draft" else None,
                gate=_gate(content["gate"]),
                approval=content.get("approval") in {True, "required"},
                topic_arn=content.get("topic_arn") or "",
                enrichment=bool(content.get("enrichment")),
                accept_length_query=content.get("accept_length_query") or "",
                architecture=content.get("architecture") or {},
                **_drafting(content.get("drafting") or {}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"CONFIG: {error!r} is missing or has another form; deploy the environment again"
            ) from error


def _base(content: Mapping[str, Any]) -> Place:
    if content.get("base_uri"):
        return Place.parse(content["base_uri"])
    return Place(bucket=content.get("base_bucket") or content["bucket"], prefix=folder(content["base_prefix"]))


def _place(content: Mapping[str, Any] | None) -> Place | None:
    return None if not content else Place(bucket=content["bucket"], prefix=folder(content["prefix"]))


def _training(content: Mapping[str, Any]) -> Training:
    part: Mapping[str, Any] = content["training"]
    captured = part.get("captured_prefix")
    return Training(
        instance=part["instance"],
        usd_per_hour=float(part["usd_per_hour"]),
        max_usd=float(part["max_usd"]),
        max_hours=float(part["max_hours"]),
        is_price_given=bool(part.get("is_price_given")),
        accept_eula=bool(part.get("accept_eula")),
        dataset=part.get("dataset") or "built_in",
        captured=Place(bucket=content["bucket"], prefix=folder(captured)) if captured else None,
        captured_samples=int(part.get("captured_samples") or 1000),
        scrub=part.get("scrub") or "",
    )


def _drafting(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: int(part[key]) for key in ("steps", "topk", "draft_tokens") if part.get(key) is not None}


def _gate(part: Mapping[str, Any]) -> Gate:
    concurrency = tuple(int(value) for value in part["concurrency"])
    requests = part["requests"]
    by_concurrency = (
        {int(key): int(value) for key, value in requests.items()}
        if isinstance(requests, Mapping)
        else dict.fromkeys(concurrency, int(requests))
    )
    return Gate(
        min_speedup=float(part["min_speedup"]),
        max_ttft_regression=float(part["max_ttft_regression"]),
        concurrency=concurrency,
        repeats=int(part["repeats"]),
        input_tokens=int(part["input_tokens"]),
        output_tokens=int(part["output_tokens"]),
        requests=by_concurrency,
        second_endpoint=bool(part.get("second_endpoint")),
        instance=part["instance"],
        usd_per_hour=float(part["usd_per_hour"]),
        gpus=int(part["gpus"]),
        max_usd=float(part["max_usd"]),
        log_retention_days=int(part["log_retention_days"]),
    )
