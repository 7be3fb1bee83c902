"""Drafts that nothing trains here go the way of those that are trained: checked, measured beside the model alone, promoted or not.

A head below a prefix of S3, a head of a hub that the deployment copies, the model's own prediction layers, and the text itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from localcloud.aws.compute import job_outputs
from tests.support import drafts
from tests.support.hub_server import REVISION
from tests.support.speculative import (
    BUCKET,
    DRAFTS,
    ELSEWHERE,
    HUB,
    LAYERS,
    LOOKUP,
    REPOSITORY,
    Pipeline,
    base_files,
    base_prefix,
    measured,
    put_draft,
)
from tools.check import workflows

FOLDER = "/opt/ml/model/draft"
HEAD_STATES = {"read_draft", "assemble"}
"""States of a draft that has files."""
TRAINING_STATES = {"start_training", "watch_training", "wait_training"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a kind of draft is served as.

    Args:
        options: Variables of speculation, without their common beginning.
        numbers: Fields of the stack's parameter behind the prefix, without the accept length, which nobody measures without enrichment.
        source: Where the draft's files come from; empty for a draft without files.
    """

    options: Mapping[str, str]
    numbers: str
    source: str = ""


HEAD = {"ALGORITHM": "EAGLE3", "NUM_STEPS": "3", "EAGLE_TOPK": "1", "NUM_DRAFT_TOKENS": "4", "DRAFT_MODEL_PATH": FOLDER}
KINDS = {
    ELSEWHERE: Kind(options=HEAD, numbers="EAGLE3,3,1,4", source=f"s3://{BUCKET}/{DRAFTS}"),
    HUB: Kind(options=HEAD, numbers="EAGLE3,3,1,4", source=f"s3://{BUCKET}/weights/{REPOSITORY}/{REVISION}/"),
    LAYERS: Kind(
        options={"ALGORITHM": "NEXTN", "NUM_STEPS": "1", "EAGLE_TOPK": "1", "NUM_DRAFT_TOKENS": "2"},
        numbers="NEXTN,1,1,2",
    ),
    LOOKUP: Kind(options={"ALGORITHM": "NGRAM", "NUM_DRAFT_TOKENS": "8"}, numbers="NGRAM,,,8"),
}


def base(name: str) -> tuple[str, dict[str, str]]:
    return f"s3://{BUCKET}/{base_prefix(name)}", {}


def output_of(pipeline: Pipeline, command: str) -> str:
    """What a command about a pipeline prints."""
    words = ["eagle", command, "--env", "prod", "--component", pipeline.component, "--region", "us-east-1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def variables(kind: Kind) -> dict[str, str]:
    return {f"SM_SGLANG_SPECULATIVE_{name}": value for name, value in kind.options.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_draft_is_measured_beside_the_model_alone_and_then_served(
    pipelines: Mapping[str, Pipeline], assemblies: Mapping[str, Path], name: str
) -> None:
    pipeline, kind = pipelines[name], KINDS[name]
    assert workflows.findings(json.loads((assemblies[name] / f"Drafts-{name}.template.json").read_text())) == []
    assert pipeline.serves() == base(name)
    (clamped,) = drafts.CLAMPED_DRAFTS
    put_draft(pipeline.s3, clamped)  # what only the first of the kinds reads
    run = pipeline.start()
    pipeline.at(run, "run_gate")
    prefix = f"speculative/{pipeline.component}/versions/{run}/" if kind.source else base_prefix(name)
    sides = {side: pipeline.sagemaker.describe_model(ModelName=f"gate-{run}-{side}") for side in ("base", "draft")}
    found = {side: pipeline.made_of(model) for side, model in sides.items()}
    assert found == {"base": base(name), "draft": (f"s3://{BUCKET}/{prefix}", variables(kind))}

    end = pipeline.end(run)
    assert (end["status"], end["state"], end["run"]) == ("SUCCEEDED", "Promoted", run), end
    assert pipeline.serves() == found["draft"]
    assert pipeline.parameter() == f"{run},{prefix},{kind.numbers},"
    states = set(pipeline.states_of(run))
    assert states & TRAINING_STATES == set()
    assert states & HEAD_STATES == (HEAD_STATES if kind.source else set())
    report = pipeline.read(f"runs/{run}/report.json")
    assert (report["verdict"], report["job"], report["dataset"]) == ("yes", None, None)
    assert (report["draft"]["source"] or "") == kind.source
    assert report["spent_usd"] == report["gate"]["usd"] > 0
    assert (pipeline.packages(), pipeline.left()) == (["Approved"], [])
    if kind.source:  # positions are the base's in the promoted copy, whatever the head's are
        assert pipeline.read(f"versions/{run}/draft/config.json")["max_position_embeddings"] == drafts.CONTEXT

    assert f"serves {run}" in output_of(pipeline, "status")
    shown = output_of(pipeline, "report")
    assert f"{run} passed the gate" in shown
    assert str(kind.options["ALGORITHM"]) in shown
    assert "training job" not in shown

    pipeline.promote_by_hand("base,,,,,,")
    assert pipeline.serves() == base(name)


@pytest.mark.parametrize("name", [ELSEWHERE, LOOKUP])
def test_a_draft_that_is_not_faster_is_not_served(pipelines: Mapping[str, Pipeline], name: str) -> None:
    pipeline = pipelines[name]
    job_outputs.use_step("AIBenchmarkJob", measured(1.1))
    run = pipeline.start()
    end = pipeline.end(run)
    assert (end["status"], end["state"]) == ("SUCCEEDED", "GateSaidNo"), end
    assert pipeline.read(f"runs/{run}/report.json")["verdict"] == "no"
    assert pipeline.packages() == ["Rejected"]
    assert (pipeline.serves(), pipeline.versions(), pipeline.left()) == (base(name), set(), [])


@pytest.mark.parametrize("draft", ["another vocabulary", "empty folder"])
def test_a_head_from_elsewhere_that_cannot_work_is_refused_before_any_copy_starts(
    pipelines: Mapping[str, Pipeline], draft: str
) -> None:
    pipeline = pipelines[ELSEWHERE]
    bad = next(one for one in drafts.BAD_DRAFTS if one.name == draft)
    for key in pipeline.keys(DRAFTS):
        pipeline.s3.delete_object(Bucket=BUCKET, Key=f"{DRAFTS}{key}")
    put_draft(pipeline.s3, bad)
    end = pipeline.end(pipeline.start())
    assert (end["status"], end["state"]) == ("FAILED", "DraftRefused"), end
    assert all(part in json.dumps(end) for part in bad.says)
    assert "cdk-sglang eagle start" in end["next"]
    assert "open_gate" not in [entry for entry, _ in pipeline.functions.invocations]
    assert (pipeline.serves(), pipeline.versions(), pipeline.left()) == (base(ELSEWHERE), set(), [])


def test_a_model_without_prediction_layers_is_refused_for_nextn(pipelines: Mapping[str, Pipeline]) -> None:
    pipeline = pipelines[LAYERS]
    body = base_files(architectures=["MiMoForCausalLM"])["config.json"]
    pipeline.s3.put_object(Bucket=BUCKET, Key=f"{base_prefix(LAYERS)}config.json", Body=body)
    end = pipeline.end(pipeline.start())
    assert (end["status"], end["state"]) == ("FAILED", "InputsRefused"), end
    assert "num_nextn_predict_layers is 0 or missing" in end["reason"]
    assert "open_gate" not in [entry for entry, _ in pipeline.functions.invocations]


def test_a_base_that_is_deployed_anew_during_the_measurement_is_not_served_with_the_figures_of_the_old(
    pipelines: Mapping[str, Pipeline],
) -> None:
    pipeline = pipelines[LOOKUP]
    run = pipeline.start()
    pipeline.at(run, "run_gate")
    body = drafts.safetensors({"model.embed_tokens.weight": ("BF16", (261, 64))})
    pipeline.s3.put_object(Bucket=BUCKET, Key=f"{base_prefix(LOOKUP)}model.safetensors", Body=body)
    end = pipeline.end(run)
    assert (end["status"], end["error"]) == ("FAILED", "BaseChanged"), end
    assert (pipeline.serves(), pipeline.parameter(), pipeline.left()) == (base(LOOKUP), "base,,,,,,", [])
