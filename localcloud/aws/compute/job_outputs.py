"""What SageMaker's jobs write to S3 when they complete: stand-ins, since here nothing is trained and no requests are sent.

A stand-in has the layout and the formats of the real job, and invented figures; its content says so. A test may use another step.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from localcloud.aws.clock import clock
from localcloud.aws.hosting import access

_DRAFT_MAX_BYTES = 64 * 2**20
_BYTES = {"BF16": 2, "I64": 8, "BOOL": 1}
STAND_IN = {"stand_in": "written by the embedded AWS: nothing was trained or measured"}


class JobFailedError(Exception):
    """The job failed; the message becomes its FailureReason."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that is about to complete.

    Attributes:
        name: Name of the job.
        account: Account of the job.
        region: Region of the job.
        request: Parameters with which the job was created.
        workload: Parameters of the workload of a benchmark job.
        components: Inference components that a benchmark job sends requests to.
        began: Start of the job, in seconds on the clock.
    """

    name: str
    account: str
    region: str
    request: dict[str, Any]
    workload: dict[str, Any] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    began: float = 0.0

    def write(self, path: str, content: bytes) -> None:
        """Write an object below the job's output location; fails the job if the bucket does not exist."""
        place = urlsplit(self.request["OutputConfig"]["S3OutputLocation"])
        key = f"{place.path.strip('/')}/{path}".lstrip("/")
        self.allowed(access.writing(self._role, f"s3://{place.netloc}/{key}", region=self.region))
        try:
            self._s3().put_object(place.netloc, key, content)
        except S3ClientError as error:
            raise JobFailedError(f"ClientError: cannot write to s3://{place.netloc}/{key}: {error.message}") from error

    def read(self, uri: str) -> bytes | None:
        """Read an object; None if it does not exist."""
        self.allowed(access.reading(self._role, uri, region=self.region))
        place = urlsplit(uri)
        try:
            stored = self._s3().get_object(place.netloc, place.path.lstrip("/"))
        except S3ClientError:
            return None
        return bytes(stored.value) if stored else None

    def allowed(self, denial: str | None) -> None:
        """Fail the job if its role may not do something.

        Args:
            denial: IAM's message; None if the role may.
        """
        if denial is not None:
            raise JobFailedError(f"ClientError: AccessDenied: {denial}")

    def may(self, action: str) -> None:
        """Fail the job unless its role may perform an action."""
        self.allowed(access.denied(self._role, action))

    @property
    def _role(self) -> str | None:
        role: str | None = self.request.get("RoleArn")
        return role

    def _s3(self) -> Any:
        return s3_backends[self.account][get_partition(self.region)]


Step = Callable[[Job], None]


def train_draft(job: Job) -> None:
    """Write the output of an EAGLE job (aws-samples, 03-features/speculative-decoding/EAGLE, read 2026-11).

    `draft/` has an EAGLE-3 draft of zeros that fits the base model's config.json; `results/` has an evaluation at two concurrencies.
    """
    source = job.request["ModelSource"].get("S3", {}).get("S3Uri", "")
    content = job.read(f"{source.rstrip('/')}/config.json")
    if content is None:
        raise JobFailedError(f"ClientError: no config.json at {source}")
    base = json.loads(content)
    try:
        tensors = _eagle3(base)
    except (KeyError, TypeError) as error:
        raise JobFailedError(f"AlgorithmError: config.json of {source} has no {error}") from error
    config = base | {"architectures": ["LlamaForCausalLMEagle3"], "num_hidden_layers": 1} | STAND_IN
    config["draft_vocab_size"] = tensors["lm_head.weight"][1][0]
    job.write("draft/config.json", json.dumps(config, indent=2).encode())
    job.write("draft/model.safetensors", _safetensors(tensors))
    for concurrency, speed in ((1, 1.6), (8, 1.3)):
        for name, factor, length in (("no_eagle", 1.0, 1.0), ("trained_eagle", speed, 2.4)):
            figures: dict[str, Any] = {
                "concurrency": concurrency,
                "output_throughput": round(90.0 * concurrency * factor, 1),
            }
            figures |= {"mean_tpot_ms": round(11.0 / factor, 2), "mean_ttft_ms": 40.0, "accept_length": length}
            job.write(f"results/benchmark_{name}_conc{concurrency}.json", json.dumps(figures | STAND_IN).encode())
    job.write("results/benchmark_report.html", f"<p>{STAND_IN['stand_in']}</p>".encode())


def _eagle3(base: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names, types and shapes of a draft's tensors, as SGLang's loader of LlamaForCausalLMEagle3 expects them."""
    hidden, inner, heads = base["hidden_size"], base["intermediate_size"], base["num_attention_heads"]
    size = base.get("head_dim") or hidden // heads
    vocabulary = base["vocab_size"]
    kept = min(vocabulary, 32000)
    keys = base.get("num_key_value_heads", heads) * size
    shapes: dict[str, tuple[int, ...]] = {
        "fc.weight": (hidden, 3 * hidden),
        "midlayer.self_attn.q_proj.weight": (heads * size, 2 * hidden),
        "midlayer.self_attn.k_proj.weight": (keys, 2 * hidden),
        "midlayer.self_attn.v_proj.weight": (keys, 2 * hidden),
        "midlayer.self_attn.o_proj.weight": (hidden, heads * size),
        "midlayer.mlp.gate_proj.weight": (inner, hidden),
        "midlayer.mlp.up_proj.weight": (inner, hidden),
        "midlayer.mlp.down_proj.weight": (hidden, inner),
        "midlayer.hidden_norm.weight": (hidden,),
        "midlayer.input_layernorm.weight": (hidden,),
        "midlayer.post_attention_layernorm.weight": (hidden,),
        "norm.weight": (hidden,),
        "lm_head.weight": (kept, hidden),
    }
    tensors = {name: ("BF16", shape) for name, shape in shapes.items()}
    if kept < vocabulary:
        tensors |= {"d2t": ("I64", (kept,)), "t2d": ("BOOL", (vocabulary,))}
    return tensors


def _safetensors(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> bytes:
    header: dict[str, Any] = {}
    end = 0
    for name, (kind, shape) in tensors.items():
        start, end = end, end + _BYTES[kind] * math.prod(shape)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
    if end > _DRAFT_MAX_BYTES:
        limit = _DRAFT_MAX_BYTES // 2**20
        raise JobFailedError(
            f"AlgorithmError: the embedded AWS stands in for drafts up to {limit} MiB, not {end // 2**20}"
        )
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Figures of a benchmark job; all requests have the same.

    Args:
        ttft_ms: Time to the first token, in milliseconds.
        tpot_ms: Time per further token, in milliseconds.
    """

    ttft_ms: float = 60.0
    tpot_ms: float = 12.0


UNAVAILABLE: Final = {"code": 503, "type": "ServiceUnavailable", "message": "the endpoint refused the request"}
THROTTLED: Final = {"code": 429, "type": "Too Many Requests", "message": '{"__type": "ThrottlingException"}'}
"""Errors in AIPerf's records for requests that an endpoint refuses."""


def benchmark(job: Job, speed: Speed = Speed(), *, failed: int = 0, error: Mapping[str, object] = UNAVAILABLE) -> None:
    """Write the archive of an AI benchmark job: AIPerf's records and summary (AIPerf 0.13.0, read 2026-11).

    Args:
        job: The job.
        speed: Figures of every request.
        failed: Number of requests that the endpoint refuses, at the beginning.
        error: Error with which it refuses them.
    """
    job.may("sagemaker:InvokeEndpoint")
    records = list(_records(job, speed, failed, error))
    summary: dict[str, Any] = {"schema_version": "1.4", "aiperf_version": "0.13.0"} | STAND_IN
    summary["request_count"] = {"unit": "requests", "avg": float(len(records) - failed)}
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    archive(job, {"profile_export.jsonl": lines, "profile_export_aiperf.json": json.dumps(summary).encode()})


def archive(job: Job, members: dict[str, bytes]) -> None:
    """Write the output of a benchmark job, an archive with these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))
    job.write(f"{job.name}/output/output.tar.gz", packed.getvalue())


def _records(job: Job, speed: Speed, failed: int, error: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """One record for each request: as many at a time as the workload's concurrency, and a warm-up request before them."""
    parallel = int(job.workload.get("concurrency", 1))
    count = int(job.workload.get("request_count", parallel * 8))
    inputs = int(job.workload.get("prompt_input_tokens_mean", 512))
    outputs = int(job.workload.get("output_tokens_mean", 128))
    latency_ms = speed.ttft_ms + speed.tpot_ms * (outputs - 1)
    start_ns = int((job.began or clock().now()) * 1e9)
    for number in range(-1, count):
        phase = "warmup" if number < 0 else "profiling"
        begin = start_ns + max(0, number) // parallel * int(latency_ms * 1e6)
        metadata = {"session_num": max(0, number), "request_start_ns": begin, "benchmark_phase": phase}
        metadata |= {"request_end_ns": begin + int(latency_ms * 1e6), "was_cancelled": False, "turn_index": 0}
        if 0 <= number < failed:
            yield {"metadata": metadata, "metrics": {}, "error": dict(error)}
            continue
        metrics = {
            "time_to_first_token": {"value": speed.ttft_ms, "unit": "ms"},
            "inter_token_latency": {"value": speed.tpot_ms, "unit": "ms"},
            "request_latency": {"value": latency_ms, "unit": "ms"},
            "input_sequence_length": {"value": inputs, "unit": "tokens"},
            "output_sequence_length": {"value": outputs, "unit": "tokens"},
        }
        yield {"metadata": metadata, "metrics": metrics}


_steps: dict[str, Step] = {"OptimizationJob": train_draft, "AIBenchmarkJob": benchmark}


def use_step(noun: str, step: Step) -> Step:
    """Use another step for a kind of job, OptimizationJob or AIBenchmarkJob; return the previous one."""
    before, _steps[noun] = _steps[noun], step
    return before


def run(noun: str, job: Job) -> None:
    """Do what a job of this kind does; raises JobFailedError if it fails."""
    _steps[noun](job)
