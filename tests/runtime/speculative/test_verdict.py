"""Verdict and question: the report, the package with its evidence, and the mail to whoever approves."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest

from cdk_sglang._runtime.speculative import approval, jobs, registry, verdict
from cdk_sglang._runtime.speculative.bench import figures_key
from cdk_sglang._runtime.speculative.ends import EndError
from tests.runtime.speculative.test_promotion import DRAFTED, PACKAGE, REPORT, VALUE, VERDICT, live, packages
from tests.support.speculation import (
    BASE_PREFIX,
    BUCKET,
    COMPONENT,
    NOW,
    PARAMETER,
    RUN,
    aws,
    config,
    event,
    plenty,
    stubbed,
)


def measured(s3: Any, *, factor: float) -> None:
    for one in jobs.plan(config()):
        noise = 1 + 0.01 * one.repeat
        tok_s = 100.0 * noise * (factor * (1 + 0.002 * one.repeat) if one.side == "draft" else 1)
        content = {"output_tok_s": tok_s, "ttft_ms": 100.0, "tpot_ms": 10.0, "accept_length": 2.4, "job": one.key}
        s3.put_object(Bucket=BUCKET, Key=figures_key(config(), RUN, one), Body=json.dumps(content).encode())


def of_a_run(**more: Any) -> Any:
    return event(
        inputs={
            "base": {"prefix": BASE_PREFIX, "hash": "b" * 64, "bytes": 7},
            "dataset": {"uri": "s3://x/train.jsonl", "sha256": "d" * 64, "lines": 9, "bad": 1, "format": "openai_chat"},
        },
        job={"name": "job", "arn": "arn:job"},
        watch={"elapsed_seconds": 3600, "spent_usd": 10.0},
        draft=DRAFTED,
        gate={"gpus": 2, "second": False},
        bench={"usd": 4.5},
        **more,
    )


@pytest.mark.parametrize(
    ("factor", "answer", "status"), [(1.5, "yes", registry.PENDING), (0.8, "no", registry.REJECTED)]
)
def test_the_verdict_leaves_a_report_and_a_package_with_its_evidence(
    s3: Any, factor: float, answer: str, status: str
) -> None:
    measured(s3, factor=factor)
    sagemaker = stubbed(
        "sagemaker",
        *live(),
        ("list_model_packages", {}, packages()),
        ("create_model_package", {}, {"ModelPackageArn": PACKAGE}),
    )
    sent: dict[str, Any] = {}
    create = sagemaker.create_model_package

    def record(**request: Any) -> Any:
        sent.update(request)
        return create(**request)

    with patch.object(sagemaker, "create_model_package", record):
        found = verdict.judge(aws(s3=s3, sagemaker=sagemaker), config(), of_a_run(), NOW, plenty)

    report = json.loads(s3.get_object(Bucket=BUCKET, Key=REPORT.removeprefix(f"s3://{BUCKET}/"))["Body"].read())
    assert (found["state"], found["model_package_arn"], found["report"]) == (answer, PACKAGE, REPORT)
    assert found["value"] == VALUE
    assert sent["ModelApprovalStatus"] == status
    assert sent["ClientToken"] == RUN
    assert sent["CustomerMetadataProperties"]["parameter"] == PARAMETER
    assert sent["CustomerMetadataProperties"]["value"] == VALUE
    assert (report["schema"], report["verdict"], report["spent_usd"]) == (1, answer, 14.5)
    assert report["gate"]["rule"] == {"min_speedup": 1.15, "max_ttft_regression": 0.1}
    assert [row["concurrency"] for row in report["gate"]["concurrency"]] == [1, 8]
    assert len(report["gate"]["jobs"]) == 8
    assert report["dataset"]["sha256"] == "d" * 64


def test_a_second_verdict_finds_its_package(s3: Any) -> None:
    measured(s3, factor=1.5)
    sagemaker = stubbed("sagemaker", *live(), ("list_model_packages", {}, packages("another", RUN)))

    found = verdict.judge(aws(s3=s3, sagemaker=sagemaker), config(), of_a_run(), NOW, plenty)

    assert found["model_package_arn"] == PACKAGE


def test_figures_that_somebody_deleted_end_the_run(s3: Any) -> None:
    with pytest.raises(EndError, match="figures of measurement base-c1-r0 are missing"):
        verdict.judge(aws(s3=s3), config(), of_a_run(), NOW, plenty)


def test_the_mail_has_the_verdict_and_the_commands_and_never_the_token(s3: Any) -> None:
    sns = stubbed("sns", ("publish", {}, {"MessageId": "1"}))
    sent: dict[str, Any] = {}
    with patch.object(sns, "publish", lambda **request: sent.update(request)):
        found = event(verdict=VERDICT)
        found = approval.Event(run=RUN, state=found.state, token="secret-token")
        approval.ask(aws(s3=s3, sns=sns), config(), found, NOW, plenty)

    key = approval.approval_key(config(), RUN)
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())["token"] == "secret-token"
    assert len(sent["Subject"]) <= 100
    assert f"cdk-sglang eagle promote --env prod --component {COMPONENT} --run {RUN}" in sent["Message"]
    assert REPORT in sent["Message"]
    assert "secret-token" not in sent["Message"]
