"""A draft is trained, measured and promoted, or not: the deployed state machine and functions, from the start to what the endpoint serves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from localcloud.aws.compute import job_outputs
from tests.runtime.speculative.test_dataset import ASKED as QUESTION
from tests.runtime.speculative.test_dataset import PLAIN as ANSWER
from tests.runtime.speculative.test_dataset import capture, jsonl
from tests.support.speculative import ASKED, BUCKET, PLAIN, Pipeline, measured
from tools.check import workflows

BASE: tuple[str, dict[str, str]] = ("s3://weights/base/", {})


@pytest.mark.parametrize("name", [PLAIN, ASKED])
def test_the_state_machine_is_valid(assemblies: Mapping[str, Path], name: str) -> None:
    template = json.loads((assemblies[name] / f"Drafts-{name}.template.json").read_text())
    assert [found for _, found in workflows.definitions(template)]
    assert workflows.findings(template) == []


def test_a_faster_draft_is_served_and_the_way_back_is_one_parameter(plain: Pipeline) -> None:
    assert plain.serves() == BASE
    run = plain.start()
    end = plain.end(run)
    assert (end["status"], end["state"], end["run"]) == ("SUCCEEDED", "Promoted", run), end
    assert end["spent_usd"] > 0
    uri, variables = plain.serves()
    assert uri == f"s3://weights/speculative/plain-llama/versions/{run}/"
    assert variables.pop("SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH") == "/opt/ml/model/draft"
    assert variables["SM_SGLANG_SPECULATIVE_ALGORITHM"] == "EAGLE3"
    numbers = [variables[f"SM_SGLANG_SPECULATIVE_{name}"] for name in ("NUM_STEPS", "EAGLE_TOPK", "NUM_DRAFT_TOKENS")]
    assert all(number.isdecimal() for number in numbers)
    # Without enrichment nobody measures the accept length, so the last field is empty, and the stack makes no alarm on it.
    value = f"{run},speculative/plain-llama/versions/{run}/,EAGLE3,{','.join(numbers)},"
    assert plain.parameter() == value
    files = plain.keys(f"speculative/plain-llama/versions/{run}/")
    assert {"config.json", "model.safetensors", "tokenizer.json", "draft/config.json", "version.json"} <= set(files)
    report = plain.read(f"runs/{run}/report.json")
    assert (report["job"]["usd_per_hour"] > 0, report["job"]["is_price_given"]) == (True, False)
    assert (report["verdict"], report["run"], report["component"]) == ("yes", run, "plain-llama")
    (step,) = report["gate"]["concurrency"]
    assert 1.3 < step["speedup"]["low"] <= step["speedup"]["mean"] <= step["speedup"]["high"] < 1.6
    assert plain.packages() == ["Approved"]
    assert plain.left() == []

    plain.promote_by_hand("base,,,,,,")
    assert plain.serves() == BASE


def test_a_draft_is_trained_on_a_sample_of_the_endpoints_own_traffic(plain: Pipeline) -> None:
    records = [capture(QUESTION, ANSWER, event_id=f"e{index}") for index in range(150)]
    key = "captured/plain/main/2026/12/01/11/x.jsonl"
    plain.s3.put_object(Bucket=BUCKET, Key=key, Body=jsonl(*records))
    with plain.changes_to("training", dataset="captured", captured_prefix="captured/plain/", captured_samples=100):
        run = plain.start()
        assert plain.end(run)["state"] == "Promoted"
    (job,) = plain.sagemaker.list_optimization_jobs()["OptimizationJobSummaries"]
    described = plain.sagemaker.describe_optimization_job(OptimizationJobName=job["OptimizationJobName"])
    (config,) = described["OptimizationConfigs"]
    place = config["ModelSpeculativeDecodingConfig"]["TrainingDataSource"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
    lines = [line for name in plain.keys(place) for line in plain.lines(f"{place}{name}")]
    assert len(lines) == 100
    assert [message["role"] for message in lines[0]["messages"]] == ["user", "assistant"]
    assert plain.read(f"runs/{run}/report.json")["dataset"]["lines"] == 100


def test_a_draft_that_is_not_faster_is_not_served(plain: Pipeline) -> None:
    job_outputs.use_step("AIBenchmarkJob", measured(0.9))
    run = plain.start()
    end = plain.end(run)
    assert (end["status"], end["state"]) == ("SUCCEEDED", "GateSaidNo"), end
    assert end["next"]
    assert plain.read(f"runs/{run}/report.json")["verdict"] == "no"
    assert plain.packages() == ["Rejected"]
    assert (plain.serves(), plain.versions(), plain.left()) == (BASE, set(), [])


def _token(pipeline: Pipeline, run: str) -> str:
    pipeline.at(run, "ask_approval")
    text = json.dumps(pipeline.read(f"runs/{run}/approval.json"))
    found = re.search(r'"(?:task_)?token": "([^"]+)"', text)
    assert found, text
    return found[1]


def test_a_person_agrees(approval_pipeline: Pipeline) -> None:
    run = approval_pipeline.start()
    token = _token(approval_pipeline, run)
    approval_pipeline.clock.advance(120, step_s=60)
    assert approval_pipeline.left() == []  # nothing costs money while the question is open
    approval_pipeline.states.send_task_success(taskToken=token, output='{"approved": true}')
    assert approval_pipeline.end(run)["state"] == "Promoted"
    assert approval_pipeline.serves()[0].endswith(f"versions/{run}/")


def test_a_person_refuses(approval_pipeline: Pipeline) -> None:
    run = approval_pipeline.start()
    approval_pipeline.states.send_task_failure(
        taskToken=_token(approval_pipeline, run), error="ApprovalRefused", cause="not this week"
    )
    end = approval_pipeline.end(run)
    assert (end["status"], end["state"]) == ("SUCCEEDED", "ApprovalRefused"), end
    assert (approval_pipeline.serves(), approval_pipeline.versions(), approval_pipeline.left()) == (BASE, set(), [])


def test_nobody_answers_for_a_week(approval_pipeline: Pipeline) -> None:
    run = approval_pipeline.start()
    _token(approval_pipeline, run)
    approval_pipeline.clock.advance(7 * 86400, step_s=43200)
    end = approval_pipeline.end(run)
    assert (end["status"], end["state"]) == ("SUCCEEDED", "ApprovalTimedOut"), end
    assert (approval_pipeline.serves(), approval_pipeline.versions(), approval_pipeline.left()) == (BASE, set(), [])
