"""Settings that the container reads from its environment in addition to `SM_SGLANG_*`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.tasks import CHAT, TASKS, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html (read 2026-11): port 8080, the model
# under /opt/ml/model; SAGEMAKER_BIND_TO_PORT overrides the port when the platform sets it.
_DEFAULT_PORT = 8080
_DEFAULT_MODEL_DIR = "/opt/ml/model"
_DEFAULT_ADAPTERS_DIR = "/opt/ml"
# InvokeEndpoint's Body in botocore 1.44.5's sagemaker-runtime model: 6,291,456 bytes at most.
_DEFAULT_MAX_BODY_BYTES = 6_291_456
# A wedged engine is out of routing within 10 s; 8 leaves time for the health checker's own polling.
_DEFAULT_WEDGED_AFTER_S = 8.0
_WEDGED_AFTER_RANGE_S = (4.0, 300.0)
_MAX_PORT = 65535
# SGLang's watchdog ends a scheduler that has begun no batch for 300 s (`--watchdog-timeout`, 0.5.23); this is well below.
_DEFAULT_STALLED_AFTER_S = 120.0
# The first part of an answer that is not streamed is the whole answer, and SageMaker waits 60 s for it.
DEFAULT_SLOW_AFTER_S = 20.0
# n and top_logprobs: OpenAI allows 128 and 20 (https://platform.openai.com/docs/api-reference/chat/create, read 2026-11);
# 64 sequences leave a copy capacity for its other callers.
_DEFAULT_MAX_SEQUENCES, _DEFAULT_MAX_TOP_LOGPROBS = 64, 20
_DEFAULT_MAX_JSON_DEPTH, _DEFAULT_MAX_GRAMMAR_BYTES = 64, 65_536
# Grammars that are not ambiguous took less than 1 ms a token (grammar_time.py), and a token of a large model takes 10 ms or more.
_DEFAULT_MAX_GRAMMAR_MS = 5.0
# Python's own JSON parser fails on deeper nesting.
_MAX_JSON_DEPTH = 400


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The container's own settings.

    Args:
        model_dir: `CDK_SGLANG_MODEL_DIR`; where the weights are.
        adapters_dir: `CDK_SGLANG_ADAPTERS_DIR`; folder below which adapters may be. Default: the parent of `model_dir`, which
            is `/opt/ml`.
        host: `CDK_SGLANG_HOST`; address to listen on.
        port: `CDK_SGLANG_PORT`, else `SAGEMAKER_BIND_TO_PORT`.
        max_body_bytes: `CDK_SGLANG_MAX_BODY_BYTES`; a longer request is answered 413.
        wedged_after_s: `CDK_SGLANG_WEDGED_AFTER_S`; seconds without a sign of life until `/ping` answers 503.
        stalled_after_s: `CDK_SGLANG_STALLED_AFTER_S`; seconds that the engine may compute between two beats of
            its schedulers' heartbeat.
        slow_after_s: `CDK_SGLANG_SLOW_AFTER_S`; seconds to the first part of an answer from which the log has a line about it.
        max_sequences: `CDK_SGLANG_MAX_SEQUENCES`; sequences one request may generate (prompts times `n`).
        max_top_logprobs: `CDK_SGLANG_MAX_TOP_LOGPROBS`; alternatives per token a request may ask for.
        max_json_depth: `CDK_SGLANG_MAX_JSON_DEPTH`; levels of nested arrays and objects in a body.
        max_grammar_bytes: `CDK_SGLANG_MAX_GRAMMAR_BYTES`; length of a schema, a regular expression, or tools.
        max_grammar_ms: `CDK_SGLANG_MAX_GRAMMAR_MS`; milliseconds of the scheduler's time per token that a grammar may take on
            average, after its first two seconds.
        min_free_gpu_gib: `CDK_SGLANG_MIN_FREE_GPU_GIB`; free memory per GPU that the plan assumes. Default: not checked
            beyond SGLang's own `--mem-fraction-static`.
        expect_nvme: `CDK_SGLANG_EXPECT_NVME`; whether an instance-store NVMe disk must be there.
        task: `CDK_SGLANG_TASK`; what a request to `/invocations` asks for: chat, completion, embedding, rerank or classify.
    """

    model_dir: str = _DEFAULT_MODEL_DIR
    adapters_dir: str = _DEFAULT_ADAPTERS_DIR
    host: str = "0.0.0.0"
    port: int = _DEFAULT_PORT
    max_body_bytes: int = _DEFAULT_MAX_BODY_BYTES
    wedged_after_s: float = _DEFAULT_WEDGED_AFTER_S
    stalled_after_s: float = _DEFAULT_STALLED_AFTER_S
    slow_after_s: float = DEFAULT_SLOW_AFTER_S
    max_sequences: int = _DEFAULT_MAX_SEQUENCES
    max_top_logprobs: int = _DEFAULT_MAX_TOP_LOGPROBS
    max_json_depth: int = _DEFAULT_MAX_JSON_DEPTH
    max_grammar_bytes: int = _DEFAULT_MAX_GRAMMAR_BYTES
    max_grammar_ms: float = _DEFAULT_MAX_GRAMMAR_MS
    min_free_gpu_gib: float | None = None
    expect_nvme: bool = False
    task: str = CHAT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and check everything.

        Args:
            environment: Usually `os.environ`.

        Raises:
            RefusedError: With every problem found.
        """
        problems: list[str] = []

        def number(name: str, default: float, *, least: float, most: float) -> float:
            text = environment.get(name, "").strip()
            if not text:
                return default
            try:
                value = float(text)
            except ValueError:
                value = float("nan")
            if least <= value <= most:
                return value
            problems.append(f"{name}: must be a number from {least:g} to {most:g}, got {text!r}")
            return default

        def whole(name: str, default: float, *, least: float, most: float) -> int:
            value = number(name, default, least=least, most=most)
            if value != int(value):
                problems.append(f"{name}: must be a whole number, got {environment[name]!r}")
            return int(value)

        port_name = "CDK_SGLANG_PORT" if environment.get("CDK_SGLANG_PORT") else "SAGEMAKER_BIND_TO_PORT"
        port = whole(port_name, _DEFAULT_PORT, least=1, most=_MAX_PORT)
        body = number("CDK_SGLANG_MAX_BODY_BYTES", _DEFAULT_MAX_BODY_BYTES, least=1024, most=2**31)
        least, most = _WEDGED_AFTER_RANGE_S
        wedged = number("CDK_SGLANG_WEDGED_AFTER_S", _DEFAULT_WEDGED_AFTER_S, least=least, most=most)
        stalled = number("CDK_SGLANG_STALLED_AFTER_S", _DEFAULT_STALLED_AFTER_S, least=wedged, most=86_400)
        slow = number("CDK_SGLANG_SLOW_AFTER_S", DEFAULT_SLOW_AFTER_S, least=0.1, most=3600)
        sequences = whole("CDK_SGLANG_MAX_SEQUENCES", _DEFAULT_MAX_SEQUENCES, least=1, most=4096)
        alternatives = whole("CDK_SGLANG_MAX_TOP_LOGPROBS", _DEFAULT_MAX_TOP_LOGPROBS, least=0, most=1_000_000)
        depth = whole("CDK_SGLANG_MAX_JSON_DEPTH", _DEFAULT_MAX_JSON_DEPTH, least=8, most=_MAX_JSON_DEPTH)
        grammar = whole("CDK_SGLANG_MAX_GRAMMAR_BYTES", _DEFAULT_MAX_GRAMMAR_BYTES, least=256, most=2**24)
        milliseconds = number("CDK_SGLANG_MAX_GRAMMAR_MS", _DEFAULT_MAX_GRAMMAR_MS, least=0.1, most=60_000)
        free = number("CDK_SGLANG_MIN_FREE_GPU_GIB", 0, least=0, most=1024)
        task = environment.get(VARIABLE, "").strip() or CHAT
        if task not in TASKS:
            problems.append(f"{VARIABLE}: must be one of {', '.join(TASKS)}, got {task!r}")
        if problems:
            raise RefusedError(problems)
        model_dir = environment.get("CDK_SGLANG_MODEL_DIR") or _DEFAULT_MODEL_DIR
        return cls(
            model_dir=model_dir,
            adapters_dir=environment.get("CDK_SGLANG_ADAPTERS_DIR") or str(Path(model_dir).parent),
            host=environment.get("CDK_SGLANG_HOST") or cls.host,
            port=port,
            max_body_bytes=int(body),
            wedged_after_s=wedged,
            stalled_after_s=stalled,
            slow_after_s=slow,
            max_sequences=sequences,
            max_top_logprobs=alternatives,
            max_json_depth=depth,
            max_grammar_bytes=grammar,
            max_grammar_ms=milliseconds,
            min_free_gpu_gib=free or None,
            expect_nvme=environment.get("CDK_SGLANG_EXPECT_NVME", "").lower() in {"1", "true"},
            task=task,
        )
