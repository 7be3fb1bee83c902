"""Drafts and evaluations: what SGLang would refuse or use wrongly is refused before any GPU is paid for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cdk_sglang._runtime.speculative.canaries import Speculation
from cdk_sglang._runtime.speculative.draft import of_run, read
from cdk_sglang._runtime.speculative.ends import DRAFT_REFUSED, EndError
from cdk_sglang._runtime.speculative.results import evaluation, settings
from tests.support.drafts import BAD_DRAFTS, CLAMPED_DRAFTS, CONTEXT, EAGLE, EAGLE3, GOOD_DRAFTS, Draft
from tests.support.speculation import BASE_PREFIX, BUCKET, NOW, RUN, VERSION, aws, config, event, plenty

JOB = f"s3://{BUCKET}/speculative/prod-chat-llama/runs/{RUN}/job/"


def put(s3: Any, draft: Draft) -> Any:
    """Upload a draft where the job leaves it, and return the event of the state that reads it."""
    for name, content in draft.files().items():
        s3.put_object(Bucket=BUCKET, Key=f"{JOB.removeprefix(f's3://{BUCKET}/')}draft/{name}", Body=content)
    return event(job={"name": "job", "output": JOB})


def looked(s3: Any, found: Any, **options: Any) -> dict[str, Any]:
    return read(aws(s3=s3), config(**options), found, NOW, plenty)


@pytest.mark.parametrize("draft", GOOD_DRAFTS, ids=lambda draft: draft.name)
def test_a_good_draft_is_taken_under_its_own_algorithm(s3: Any, draft: Draft) -> None:
    found = looked(s3, put(s3, draft))

    assert found["state"] == "ready"
    assert found["algorithm"] == draft.algorithm
    assert found["bytes"] > 0
    assert found["config"] is None


@pytest.mark.parametrize("draft", CLAMPED_DRAFTS, ids=lambda draft: draft.name)
def test_positions_are_those_of_the_base_in_the_promoted_copy(s3: Any, draft: Draft) -> None:
    found = looked(s3, put(s3, draft))

    assert found["config"]["max_position_embeddings"] == CONTEXT
    assert all(part in found["notes"][0] for part in draft.says)


@pytest.mark.parametrize(
    "draft", [draft for draft in BAD_DRAFTS if "under" not in draft.name], ids=lambda draft: draft.name
)
def test_a_bad_draft_is_refused_with_file_value_and_what_is_allowed(s3: Any, draft: Draft) -> None:
    with pytest.raises(EndError) as refused:
        looked(s3, put(s3, draft))

    assert refused.value.end == DRAFT_REFUSED
    for part in draft.says:
        assert part in refused.value.reason
    assert refused.value.next_step


@pytest.mark.parametrize(
    "draft", [draft for draft in BAD_DRAFTS if "under" in draft.name], ids=lambda draft: draft.name
)
def test_a_head_is_never_run_under_the_other_algorithm(s3: Any, draft: Draft) -> None:
    """The pipeline takes the algorithm from the draft; under the one that the table names it would be refused."""
    found = looked(s3, put(s3, draft))

    assert found["algorithm"] != draft.algorithm


def test_copies_of_embedding_and_head_are_reported_in_bytes(s3: Any) -> None:
    found = looked(s3, put(s3, EAGLE3))

    assert [one["name"] for one in found["tensors_copied"]] == ["lm_head.weight"]


def test_a_name_with_model_is_refused_for_an_eagle_head_that_passes_over_it(s3: Any) -> None:
    draft = replace(EAGLE, tensors={f"model.{name}": tensor for name, tensor in (EAGLE.tensors or {}).items()})

    with pytest.raises(EndError, match=r"SGLang's EAGLE loader adds model. itself"):
        looked(s3, put(s3, draft))


def test_a_draft_for_a_base_whose_config_is_gone_is_refused(s3: Any) -> None:
    found = put(s3, EAGLE3)
    s3.delete_object(Bucket=BUCKET, Key=f"{BASE_PREFIX}config.json")

    with pytest.raises(EndError, match="hidden_size"):
        looked(s3, found)


def benchmark(name: str, **figures: float) -> dict[str, bytes]:
    return {name: json.dumps({"summary": {"metrics": figures}}).encode()}


COMPLETE = {
    **benchmark("benchmark_no_eagle_conc1.json", output_throughput=100.0, mean_ttft_ms=50.0),
    **benchmark("benchmark_trained_eagle_conc1.json", output_throughput=180.0, mean_ttft_ms=52.0, accept_length=2.6),
}


def test_an_evaluation_gives_figures_by_concurrency_and_steps_from_its_accept_length() -> None:
    found = evaluation(COMPLETE)

    assert found["state"] == "complete"
    assert found["concurrency"][0]["draft"]["output_tok_s"] == 180.0
    assert settings(found) == (3, 1, 4)


def test_an_evaluations_own_settings_win() -> None:
    own = benchmark("benchmark_trained_eagle_conc1.json", output_throughput=1.0, num_speculative_tokens=5)

    assert settings(evaluation({**COMPLETE, **own})) == (5, 1, 6)


@pytest.mark.parametrize(
    ("files", "state", "problem"),
    [
        ({}, "missing", "no benchmark_no_eagle_conc<N>.json"),
        ({"benchmark_no_eagle_conc1.json": b"{"}, "malformed", "results/benchmark_no_eagle_conc1.json: no JSON"),
        (
            {"benchmark_no_eagle_conc1.json": b"[]"},
            "malformed",
            "no figure that is known here, such as output_throughput",
        ),
        (
            {key: value for key, value in COMPLETE.items() if "no_eagle" in key},
            "partial",
            "benchmark_trained_eagle_conc1.json has no figures, or is missing",
        ),
        ({"benchmark_trained_eagle_conc1.json": b'{"accept_length": NaN}'}, "malformed", "no figure"),
    ],
)
def test_an_evaluation_that_is_missing_or_malformed_is_named_and_the_gate_measures(
    files: dict[str, bytes], state: str, problem: str
) -> None:
    found = evaluation(files)

    assert found["state"] == state
    assert problem in " ".join(found["problems"])
    assert settings(found) == (3, 1, 4)


def test_a_job_without_results_goes_on_to_the_gate(s3: Any) -> None:
    assert looked(s3, put(s3, EAGLE3))["evaluation"]["state"] == "missing"


@pytest.mark.parametrize(
    ("kind", "drafting", "value"),
    [
        ("nextn", {}, f"{RUN},{BASE_PREFIX},NEXTN,3,1,4,1.90"),
        ("nextn", {"steps": 2, "topk": 1, "draft_tokens": 3}, f"{RUN},{BASE_PREFIX},NEXTN,2,1,3,1.90"),
        ("ngram", {}, f"{RUN},{BASE_PREFIX},NGRAM,,,12,1.90"),
        ("eagle", {}, f"{RUN},{VERSION},EAGLE3,3,1,4,1.90"),
    ],
)
def test_the_parameter_has_seven_fields(s3: Any, kind: str, drafting: dict[str, int], value: str) -> None:
    settings_of = config(kind, drafting=drafting)
    found = event(draft={"algorithm": "EAGLE3", "steps": 3, "topk": 1, "draft_tokens": 4})

    speculation = Speculation.of(of_run(settings_of, found))

    assert speculation.value(RUN, 1.9) == value
    path = speculation.environment(kind=kind).get("SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH")
    assert path == ("/opt/ml/model/draft" if kind == "eagle" else None)
