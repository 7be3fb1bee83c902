"""Checks a container's environment: SageMaker's limits, secrets, and variables that must not be set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from re import Pattern
from typing import Final, Literal

from cdk_sglang.engine.extra import FORBIDDEN
from cdk_sglang.engine.flags import find_flag
from cdk_sglang.engine.limits import (
    KEY_PATTERN,
    MAX_ENTRIES,
    MAX_ENTRIES_IN_COMPONENT,
    MAX_KEY_LENGTH,
    MAX_TOTAL_LENGTH,
    MAX_VALUE_LENGTH,
)
from cdk_sglang.engine.model_base import typed_dests
from cdk_sglang.engine.options import SglangOptions
from cdk_sglang.engine.rendering import PREFIX
from cdk_sglang.errors import Problem

Carrier = Literal["model", "inference-component"]
"""Resource that defines the environment: a SageMaker model, or the inference component itself."""

_CALLED_AT: Final = "SageMaker calls port 8080 of the container, and the health check with it; leave it out"
_PLATFORMS: Final[Mapping[str, str]] = {
    # container/cdk_sglang_container/settings.py
    "SAGEMAKER_BIND_TO_PORT": _CALLED_AT,
    "CDK_SGLANG_PORT": _CALLED_AT,
    "CDK_SGLANG_HOST": "the container listens where SageMaker calls it; leave it out",
    "CDK_SGLANG_MODEL_DIR": "SageMaker mounts the model at /opt/ml/model; choose it with model",
    "CDK_SGLANG_ADAPTERS_DIR": "SageMaker unpacks adapters below /opt/ml; leave it out",
    "CDK_SGLANG_TASK": "it goes with the options of SGLang that a task needs; set the component's task",
    "CDK_SGLANG_ADMIN_ROUTES": "it opens routes that change weights and caches; leave it out",
    # sglang 0.5.23, srt/environ.py and srt/utils/network.py
    "SGLANG_PORT": "one copy runs on one instance, where SGLang finds free ports itself; leave it out",
    "SGLANG_GRPC_PORT": "SageMaker needs SGLang's HTTP server on port 8080; leave it out",
    "HOST_IP": "one copy runs on one instance; leave it out",
    "SGLANG_HOST_IP": "one copy runs on one instance; leave it out",
    "CUDA_VISIBLE_DEVICES": "SageMaker decides which GPUs a copy sees; leave it out",
    "NVIDIA_VISIBLE_DEVICES": "SageMaker decides which GPUs a copy sees; leave it out",
}
"""Variables that change the port, address, model or GPUs that SageMaker sets, or open routes that the container closes, and why each is refused."""
_SECRET_STORE = "put it in Secrets Manager and hand over its ARN"  # noqa: S105 (a message)
_SECRET_NAME = re.compile(
    r"(^|_)(TOKEN|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|API_?KEY|ACCESS_KEY(_ID)?|SECRET_KEY|PRIVATE_KEY)$"
)
_TOKEN_OF_A_VOCABULARY = re.compile(r"^(BOS|EOS|PAD|UNK|SEP|CLS|MASK|STOP|IMAGE|AUDIO|VIDEO)_TOKEN$")
_REFERENCE = re.compile(r"^arn:aws[a-z-]*:|^\$\{Token\[")  # an ARN, or a value CDK resolves at deployment
_SECRET_VALUES: Final[Mapping[str, Pattern[str]]] = {
    # Prefixes as their issuers document them: Hugging Face, AWS, GitHub, GitLab, OpenAI and Anthropic, Slack, PEM, JWT.
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "an API key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a bearer token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
}


def environment_problems(
    env: Mapping[str, str],
    path: str,
    *,
    rendered: Mapping[str, str] | None = None,
    carrier: Carrier = "model",
) -> list[Problem]:
    """List variables that SageMaker would refuse, that are secrets, or that belong in the typed options.

    Values are never repeated in a message: they may be secrets.

    Args:
        env: Variables that the user sets for the container.
        path: Their path, such as `endpoints.chat.components.llama.environment`.
        rendered: Variables added by the library, such as `SglangOptions.environment()`; they count towards the limits,
            and their values are searched for secrets.
        carrier: Resource that defines the environment; an inference component itself accepts fewer entries.
    """
    added = rendered or {}
    fields = typed_dests(SglangOptions)
    found = [problem for name in sorted(env) for problem in _by_hand_problems(name, path=path, fields=fields)]
    both = {**added, **env}
    for name, value in sorted(both.items()):
        found += [Problem(f"{path}.{name}", why) for why in _entry_problems(name, value)]
    return found + _total_problems(both, path=path, by_hand=len(env), carrier=carrier)


def _by_hand_problems(name: str, *, path: str, fields: Mapping[str, str]) -> list[Problem]:
    if name.upper() in _PLATFORMS:
        return [Problem(f"{path}.{name}", f"cannot be set: {_PLATFORMS[name.upper()]}")]
    if not name.upper().startswith(PREFIX):
        return []
    spec = find_flag(name[len(PREFIX) :].lower())
    if spec is None:
        return [Problem(f"{path}.{name}", "set by the server options, and SGLang has no such option; remove it")]
    if spec.dest in FORBIDDEN:
        return [Problem(f"{path}.{name}", f"cannot be set: {FORBIDDEN[spec.dest]}")]
    field = fields.get(spec.dest, f"extra.{spec.dest}")
    return [Problem(f"{path}.{name}", f"set by the server options; use server.{field}")]


def _entry_problems(name: str, value: str) -> list[str]:
    found = []
    if not re.fullmatch(KEY_PATTERN, name):
        found.append("SageMaker takes names of letters, digits and '_' that do not start with a digit")
    if len(name) > MAX_KEY_LENGTH:
        found.append(f"the name has {len(name)} characters, SageMaker takes {MAX_KEY_LENGTH}")
    if len(value) > MAX_VALUE_LENGTH and not _REFERENCE.match(value):
        found.append(
            f"the value has {len(value)} characters, SageMaker takes {MAX_VALUE_LENGTH}; put it in a file beside the model"
        )
    secret = _secret_in(name, value)
    if secret:
        found.append(f"{secret}; environment variables are readable with DescribeModel: {_SECRET_STORE}")
    return found


def _secret_in(name: str, value: str) -> str | None:
    upper = name.upper()
    # Some of SGLang's options concern vocabulary tokens (--kt-max-deferred-experts-per-token); options that hold a key are refused.
    has_secret_name = (
        not upper.startswith(PREFIX) and _SECRET_NAME.search(upper) and not _TOKEN_OF_A_VOCABULARY.match(upper)
    )
    if has_secret_name and value and not _REFERENCE.match(value):
        return "the name says that this is a secret"
    kind = next((kind for kind, pattern in _SECRET_VALUES.items() if pattern.search(value)), None)
    return None if kind is None else f"the value looks like {kind}"


def _total_problems(env: Mapping[str, str], *, path: str, by_hand: int, carrier: Carrier) -> list[Problem]:
    found = []
    most = MAX_ENTRIES if carrier == "model" else MAX_ENTRIES_IN_COMPONENT
    if len(env) > most:
        found.append(
            Problem(
                path,
                f"{len(env)} variables ({by_hand} written by hand, the others from the options), SageMaker takes {most}; "
                + ("leave some out" if carrier == "model" else "describe the container in a model, which takes 100"),
            )
        )
    total = sum(len(name) + len(value) for name, value in env.items())
    if total > MAX_TOTAL_LENGTH:
        found.append(
            Problem(path, f"{total} characters in all, SageMaker takes {MAX_TOTAL_LENGTH}; put long values in files")
        )
    return found
