"""The first state: whether the run can start, what its base model is, and what its draft is trained on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from . import base_model, source
from .clients import Aws
from .config import Config
from .ends import ALREADY_RUNNING, INPUTS_REFUSED, EndError
from .event import Event
from .quotas import quota
from .store import write_json
from .training import job_name

_EAGLE_ARCHITECTURES = (
    *("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "GptOssForCausalLM"),
    "Qwen3NextForCausalLM",
)
"""Architectures that EAGLE optimization jobs train (docs.aws.amazon.com/sagemaker/latest/dg/optimization-supported-models.html, read 2026-11)."""


def check(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Return what the run works with.

    Raises:
        EndError: The run cannot start; all problems are in the reason.
    """
    _only_one(aws, event)
    record = {"run": event.run, "execution": event.execution, "reason": event.reason, "created": now.isoformat()}
    write_json(aws.s3, config.bucket, config.execution_key(event.execution_name or event.run), record)
    problems: list[str] = []
    notes: list[str] = []
    model = base_model.read_checked(aws, config, problems)
    base_model.check_live(aws, config, problems)
    _architecture(config, model.config, problems)
    if config.training is not None:
        _training(aws, config, model, problems, notes)
    if problems:  # before minutes go into a dataset
        raise _refused(problems)
    result: dict[str, Any] = {"state": "ready", "problems": [], "notes": notes, "base": model.result()}
    if config.training is not None:
        result["dataset"] = source.prepare(aws, config, event.run, seconds_left=seconds_left)
        result["job_name"] = job_name(config, base_hash=model.hash, dataset=result["dataset"])
    return result


def _only_one(aws: Aws, event: Event) -> None:
    """Refuse to run alongside an older execution; of two that began at the same moment the one whose name sorts first runs."""
    if not event.state_machine:
        return
    pages = aws.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=event.state_machine, statusFilter="RUNNING"
    )
    running = [(item["startDate"], item["name"]) for page in pages for item in page["executions"]]
    own = next((pair for pair in running if pair[1] == event.execution_name), None)
    older = sorted(pair for pair in running if pair[1] != event.execution_name and (own is None or pair < own))
    if older:
        raise EndError(
            ALREADY_RUNNING,
            f"execution {older[0][1]} has been running since {older[0][0]:%Y-%m-%d %H:%M} UTC; a component has one run at a time",
            "wait for it (cdk-sglang eagle status), or stop it in Step Functions and start again",
        )


def _architecture(config: Config, model: dict[str, Any], problems: list[str]) -> None:
    names = model.get("architectures") or []
    if config.kind == "eagle" and not set(names) & set(_EAGLE_ARCHITECTURES):
        problems.append(
            f"base model: architectures {', '.join(names) or 'missing'}; optimization jobs train drafts for "
            f"{', '.join(_EAGLE_ARCHITECTURES)}; train one elsewhere and use speculative.draft, or use speculative.ngram"
        )
    layers = next((model[key] for key in ("num_nextn_predict_layers", "mtp_num_hidden_layers") if model.get(key)), 0)
    if config.kind == "nextn" and model and not layers:
        problems.append(
            f"base model: {', '.join(names) or 'it'} has no prediction layers of its own (num_nextn_predict_layers is 0 or missing); "
            "use speculative.eagle, draft or ngram"
        )


def _training(aws: Aws, config: Config, model: base_model.BaseModel, problems: list[str], notes: list[str]) -> None:
    training = config.training
    assert training is not None
    types = _instance_types(aws)
    if types and training.instance not in types:
        problems.append(
            f"speculative.eagle.instance: {training.instance} is none of the types of optimization jobs, such as "
            f"{', '.join(sorted(types)[:3])}; name another"
        )
    if model.licence and not training.accept_eula:
        problems.append(
            f"speculative.eagle.accept_eula: false, and the base model is under {model.licence}; read the licence, and set accept_eula: true"
        )
    name = f"{training.instance} for training job usage"
    limit = quota(aws.quotas, name)
    if limit == 0:
        problems.append(
            f"Service Quotas: {name!r} is 0 in this account and Region; request an increase (service sagemaker), or name another instance"
        )
    elif limit is None:
        notes.append(f"Service Quotas does not list {name!r}; the job says so if it is 0")


def _instance_types(aws: Aws) -> set[str]:
    """Return the types that CreateOptimizationJob takes, from the service's own description in botocore."""
    shape = aws.sagemaker.meta.service_model.operation_model("CreateOptimizationJob").input_shape
    return set(shape.members["DeploymentInstanceType"].enum) if shape is not None else set()  # type: ignore[attr-defined]  # a string shape has its enum


def _refused(problems: list[str]) -> EndError:
    return EndError(INPUTS_REFUSED, "; ".join(problems), "fix each, deploy, and start again: cdk-sglang eagle start")
