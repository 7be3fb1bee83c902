"""A pipeline as its stacks leave it, and runs of it: places, reports, versions, and a state machine with the states of the real one.

The state machine is a stand-in: its states have the names of the real definition, and answers of their own instead of functions.
"""

from __future__ import annotations

import json
from typing import Any

from cdk_sglang.serving.shared.drafts import BASE_VALUE

ENVIRONMENT, COMPONENT = "prod", "prod-chat-llama"
BUCKET, STACK, PARAMETER = "weights-of-prod", "cdk-sglang-prod-chat", "Draft0123456789ab"
RUN, EARLIER, EARLIEST = "r20261130T161200-4f2a", "r20261101T080000-00aa", "r20261001T080000-00bb"


def value_of(run: str, *, accept_length: str = "2.61") -> str:
    """Value of the stack's parameter with which a version serves."""
    return f"{run},speculative/{COMPONENT}/versions/{run}/,EAGLE3,3,1,4,{accept_length}"


def figure(mean: float, spread: float = 0.03) -> dict[str, float]:
    return {"mean": mean, "low": round(mean * (1 - spread), 4), "high": round(mean * (1 + spread), 4)}


def level(concurrency: int, *, speedup: float, ttft: float = 0.02, tokens: float = 120.0) -> dict[str, Any]:
    rate = tokens * concurrency**0.8
    return {
        "concurrency": concurrency,
        "base": {"output_tok_s": figure(rate), "tpot_ms": figure(9.0), "ttft_ms": figure(150.0), "accept_length": None},
        "draft": {
            "output_tok_s": figure(rate * speedup),
            "tpot_ms": figure(9.0 / speedup),
            "ttft_ms": figure(150.0 * (1 + ttft)),
            "accept_length": figure(2.61, 0.01),
        },
        "speedup": figure(speedup),
        "ttft_change": figure(ttft),
    }


def report(run: str = RUN, *, verdict: str = "yes", **changes: Any) -> dict[str, Any]:
    """A report as the pipeline writes it."""
    speedups = (1.42, 1.21) if verdict == "yes" else (1.1, 0.86)
    reasons = (
        ["1.21 times the output tokens per second or more at every concurrency, at least 1.15 asked"]
        if verdict == "yes"
        else ["concurrency 16: slower: 0.86 times the output tokens per second, 95 % interval 0.83 to 0.89"]
    )
    return {
        "schema": 1,
        "run": run,
        "component": COMPONENT,
        "environment": ENVIRONMENT,
        "kind": "eagle",
        "created": "2026-11-30T18:30:00+00:00",
        "verdict": verdict,
        "reasons": reasons,
        "job": {"name": "prod-chat-llama-0a1b2c3d4e5f", "arn": "arn", "instance": "ml.g6e.12xlarge", "seconds": 7100, "usd": 26.1, "usd_per_hour": 13.12},
        "dataset": {"uri": "s3://traffic/chat/train.jsonl", "sha256": "ab" * 32, "lines": 12034, "bad": 3, "format": "openai_chat"},
        "base": {"prefix": "weights/meta-llama/Llama-3.1-8B-Instruct/abc/", "hash": "cd" * 32, "bytes": 16_060_000_000},
        "draft": {
            "prefix": f"speculative/{COMPONENT}/versions/{run}/", "algorithm": "EAGLE3", "steps": 3, "topk": 1, "draft_tokens": 4,
            "bytes": 849_000_000, "tensors_copied": ["lm_head.weight"], "notes": ["positions clamped to 131072"], "evaluation": {},
        },
        "gate": {
            "workload": {
                "input_tokens": 1000, "output_tokens": 300, "requests": {"1": 20, "16": 160}, "repeats": 3, "instance": "ml.g6e.12xlarge",
                "gpus": 1, "second_endpoint": False,
            },
            "concurrency": [level(16, speedup=speedups[1]), level(1, speedup=speedups[0])],
            "usd": 7.4,
            "jobs": [{"job": f"gate-{run}-c1-r1-base", "arn": "arn", "start": "2026-11-30T17:40:00+00:00", "end": "2026-11-30T17:52:00+00:00"}],
            "rule": {"min_speedup": 1.15, "max_ttft_regression": 0.1},
        },
        "version": {"prefix": f"speculative/{COMPONENT}/versions/{run}/"},
        "spent_usd": 33.5,
        **changes,
    }  # fmt: skip


def place(machine: str, **changes: Any) -> str:
    """Value of the SSM parameter that says where everything is."""
    content = {
        "component": COMPONENT,
        "state_machine": machine,
        "bucket": BUCKET,
        "stack": STACK,
        "parameter": PARAMETER,
        "model_package_group": COMPONENT,
        "topic": "arn:aws:sns:us-east-1:123456789012:alarms",
        "kind": "eagle",
        "approval": True,
        "training_instance": "ml.g6e.12xlarge",
        "training_usd_per_hour": 13.12,
        "training_max_usd": 200,
        "gate_max_usd": 100,
    }
    return json.dumps({**content, **changes})


def template() -> str:
    """A serving stack: the parameter of a draft, one more parameter, and a resource that follows both."""
    return json.dumps(
        {
            "Parameters": {
                PARAMETER: {"Type": "String", "Default": BASE_VALUE},
                "Other": {"Type": "String", "Default": "kept"},
            },
            "Conditions": {"IsDraft": {"Fn::Not": [{"Fn::Equals": [{"Ref": PARAMETER}, BASE_VALUE]}]}},
            "Resources": {
                "Says": {
                    "Type": "AWS::SSM::Parameter",
                    "Properties": {
                        "Name": "/serves",
                        "Type": "String",
                        "Value": {
                            "Fn::If": [
                                "IsDraft",
                                {"Fn::Join": ["", [{"Ref": PARAMETER}, " ", {"Ref": "Other"}]]},
                                {"Fn::Join": ["", ["base ", {"Ref": "Other"}]]},
                            ]
                        },
                    },
                }
            },
        }
    )


def ended(state: str, reason: str, next_step: str = "cdk-sglang eagle status") -> dict[str, Any]:
    return {
        "state": state, "reason": reason, "next": next_step, "run": RUN, "spent_usd": 33.5,
        "report": f"s3://{BUCKET}/speculative/{COMPONENT}/runs/{RUN}/report.json",
    }  # fmt: skip


def definition(*, approval: bool = True, end: str = "Promoted", wait_seconds: int = 600) -> str:
    """A machine that trains for a while, measures, asks if it has to, and ends as it is told."""

    def pass_state(result: dict[str, Any], key: str, following: str) -> dict[str, Any]:
        return {"Type": "Pass", "Result": result, "ResultPath": f"$.{key}", "Next": following}

    def last(state: str, reason: str) -> dict[str, Any]:
        return pass_state(ended(state, reason), "ended", state)

    is_yes = {"Variable": "$.approval.approved", "BooleanEquals": True, "Next": "promote"}
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "ask", "Payload": {"token.$": "$$.Task.Token", "state.$": "$"}},
        "ResultPath": "$.approval",
        "TimeoutSeconds": 604800,
        "Next": "approved",
    }
    failed = {"Type": "Fail", "Error": end, "CausePath": "States.JsonToString($.ended)"}
    states: dict[str, Any] = {
        "check_inputs": pass_state({"state": "ready", "dataset": {"lines": 12034}}, "inputs", "start_training"),
        "start_training": pass_state({"name": "job"}, "job", "watch_training"),
        "watch_training": pass_state({"status": "running", "spent_usd": 26.1}, "watch", "wait_training"),
        "wait_training": {"Type": "Wait", "Seconds": wait_seconds, "Next": "read_draft"},
        "read_draft": pass_state({"state": "ready", "algorithm": "EAGLE3", "draft_tokens": 4}, "draft", "run_gate"),
        "run_gate": pass_state({"state": "done", "done": ["a", "b"], "total": 12, "usd": 7.4}, "bench", "judge"),
        "judge": pass_state({"state": "yes", "speedup": 1.21}, "verdict", "ask_approval" if approval else "promote"),
        "ask_approval": ask,
        "approved": {"Type": "Choice", "Choices": [is_yes], "Default": "refused"},
        "refused": last("ApprovalRefused", "the promotion was refused"),
        "ApprovalRefused": {"Type": "Succeed", "OutputPath": "$.ended"},
        "promote": pass_state({"state": "done"}, "promotion", "clean_up"),
        "clean_up": last(end, "1.21 times the output tokens per second"),
        end: {"Type": "Succeed", "OutputPath": "$.ended"} if end in {"Promoted", "GateSaidNo"} else failed,
    }
    if not approval:
        states = {
            name: state
            for name, state in states.items()
            if name not in {"ask_approval", "approved", "refused", "ApprovalRefused"}
        }
    return json.dumps({"StartAt": "check_inputs", "States": states})
