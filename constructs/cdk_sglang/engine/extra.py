"""`extra`: any other option of SGLang, checked against its parser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cdk_sglang.checks import did_you_mean
from cdk_sglang.engine.flags import SGLANG_VERSION, find_flag, flag_names

_CONTAINER = "the container sets it"
_ONE_INSTANCE = "one copy runs on one instance"
_PLAIN_HTTP = "SageMaker speaks plain HTTP to port 8080 and checks /ping there; TLS is SageMaker's"
_REPLACES_HTTP = "SageMaker needs SGLang's HTTP server on port 8080"
_GPUS = "SageMaker decides which GPUs a copy sees"

FORBIDDEN: Final[Mapping[str, str]] = {
    # SGLang 0.5.23: with a key, /ping and /invocations answer 401; SageMaker's health check has none (utils/auth.py).
    "api_key": "SageMaker's health check carries no key, so the endpoint would never become healthy; IAM guards the endpoint",
    "admin_api_key": "secrets do not belong in environment variables; no admin route is reachable through SageMaker",
    "host": _CONTAINER,
    "port": _CONTAINER,
    "model_path": f"{_CONTAINER}: the model's weights are mounted at /opt/ml/model; choose them with model",
    "fastapi_root_path": "SageMaker asks for /ping and /invocations at the root",
    "config": "a file of options would pass by every check; write them here",
    "device": "the container finds the device itself",
    **dict.fromkeys(("base_gpu_id", "gpu_id_step"), _GPUS),
    **dict.fromkeys(
        ("nnodes", "node_rank", "dist_init_addr", "use_ray"), f"{_ONE_INSTANCE}; use dp_size or more copies"
    ),
    **dict.fromkeys(
        ("ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "ssl_keyfile_password", "enable_ssl_refresh"), _PLAIN_HTTP
    ),
    **dict.fromkeys(("smg_grpc_mode", "grpc_mode", "encoder_only"), _REPLACES_HTTP),
    "enable_http2": "SageMaker speaks HTTP/1.1 to the container",
    "skip_tokenizer_init": "/invocations takes chat messages, which need the tokenizer",
    # prefill and decode servers find each other by address; copies of a component have none (arg_groups/disagg).
    "disaggregation_mode": "prefill and decode servers must reach each other, copies of a component cannot",
    "enable_dp_attention": "SGLang has retired it; use attn_dp_size",
}
"""Options that cannot work behind a SageMaker endpoint, and why."""


def settings_of(extra: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (field path, SGLang's name, value) of every extra option SGLang knows."""
    for name, value in extra.items():
        spec = find_flag(name)
        if spec is not None:
            yield f"extra.{name}", spec.dest, value


def problems(extra: Mapping[str, Any], *, path: str, typed: Mapping[str, str]) -> dict[str, str]:
    """Return, by name, why SGLang does not have or would not take an extra option, or which field it has of its own.

    Args:
        extra: Option names and values as the user wrote them.
        path: Where the options stand, such as `endpoints.chat.components.llama.server`.
        typed: SGLang's name to field path of every typed option.
    """
    found: dict[str, str] = {}
    first_use: dict[str, str] = {}
    for name, value in extra.items():
        why = _problem(name, value, path=path, typed=typed)
        spec = find_flag(name)
        if why is None and spec is not None:
            other = first_use.setdefault(spec.dest, name)
            why = None if other == name else f"is the same option as extra.{other}; keep one"
        if why is not None:
            found[name] = why
    return found


def _problem(name: str, value: Any, *, path: str, typed: Mapping[str, str]) -> str | None:  # noqa: ANN401 (user's)
    bare = name.lstrip("-")
    if bare != name:
        return f"write it without dashes in front: extra.{bare}"
    spec = find_flag(name)
    if spec is None:
        return f"SGLang {SGLANG_VERSION} has no such option; {did_you_mean(name.replace('-', '_'), flag_names())}"
    if spec.dest in FORBIDDEN:
        return f"cannot be set: {FORBIDDEN[spec.dest]}"
    if spec.dest in typed:
        return f"has a field of its own; use {path}.{typed[spec.dest]}"
    if name.replace("-", "_").startswith("no_") and spec.can_be_negated:
        return f"write extra.{spec.dest}: false"
    return spec.problem_with(value)
