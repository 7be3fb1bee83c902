"""What a draft may say of its training, its measurement and its origin."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang import DraftModel, EagleTraining, NextN, Ngram, Retrain, Speculative
from cdk_sglang.hardware.optimization import job_types
from tests.support.fleets import problems

COMMIT = "a" * 40
WRONG: list[tuple[type[Any], dict[str, Any], list[str]]] = [
    (Speculative, {}, ["speculative: give exactly one of eagle, draft, nextn and ngram; got none of them"]),
    (
        Speculative,
        {"nextn": NextN(), "ngram": Ngram()},
        ["speculative: give exactly one of eagle, draft, nextn and ngram; got nextn and ngram"],
    ),
    (EagleTraining, {"dataset": "built_in"}, ["eagle.max_usd: missing; it has no default"]),
    (
        EagleTraining,
        {"dataset": "mine", "max_usd": 10},
        ["eagle.dataset: 'mine' is not allowed; use built_in, captured or a place in S3, such as s3://bucket/prefix/"],
    ),
    (
        EagleTraining,
        {"dataset": "s3://data-bucket/", "max_usd": 10},
        [
            "eagle.dataset: the prefix is empty, so the whole bucket would be the model; use one, such as 'weights/llama/'"
        ],
    ),
    (EagleTraining, {"dataset": "built_in", "max_usd": 0}, ["eagle.max_usd: 0 is not allowed; use a value > 0"]),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 1_000_000},
        ["eagle.max_usd: 1000000 is not allowed; use a value <= 100000"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "max_hours": 1000},
        ["eagle.max_hours: 1000 is not allowed; use a value <= 672"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "min_speedup": 0.9},
        ["eagle.min_speedup: 0.9 is not allowed; use a value >= 1"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "min_speedup": 11},
        ["eagle.min_speedup: 11 is not allowed; use a value <= 5"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "max_ttft_regression": -0.1},
        ["eagle.max_ttft_regression: -0.1 is not allowed; use a value >= 0"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "repeats": 1},
        ["eagle.repeats: 1 is not allowed; use a value >= 2"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "concurrency": [8, 1]},
        ["eagle.concurrency: [8, 1] is not in ascending order; list each step once, from lowest to highest"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "concurrency": []},
        ["eagle.concurrency: takes 1 to 8 steps, got 0; change the list"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "approval": "maybe"},
        ["eagle.approval: 'maybe' is not allowed; known: none, required"],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "captured_samples": 500, "sampling_percent": 5},
        [
            "eagle.captured_samples: goes with dataset: captured, got dataset: built_in; remove it",
            "eagle.sampling_percent: goes with dataset: captured, got dataset: built_in; remove it",
        ],
    ),
    (
        EagleTraining,
        {"dataset": "captured", "max_usd": 10, "scrub": "clean-it"},
        [
            "eagle.scrub: 'clean-it' is not the ARN of a Lambda function; write arn:aws:lambda:<Region>:<account>:function:<name>"
        ],
    ),
    (
        EagleTraining,
        {"dataset": "built_in", "max_usd": 10, "instance": "ml.p6-b300.48xlarge"},
        [f"eagle.instance: optimization jobs do not run on ml.p6-b300.48xlarge; use one of {', '.join(job_types())}"],
    ),
    (Retrain, {}, ["retrain: has no trigger; give every_days, or on_alarm: true, or leave retrain out"]),
    (Retrain, {"every_days": 0}, ["retrain.every_days: 0 is not allowed; use a value >= 1"]),
    (DraftModel, {}, ["draft: give exactly one of hugging_face and s3; got none of them"]),
    (
        DraftModel,
        {"hugging_face": "me/draft"},
        [
            (
                "draft.revision: missing; give the commit, 40 hexadecimal digits, from "
                "https://huggingface.co/me/draft/commits/main"
            )
        ],
    ),
    (
        DraftModel,
        {"s3": "s3://models/draft.tar.gz"},
        [
            "draft.s3: 's3://models/draft.tar.gz' is an archive; put the files uncompressed under a prefix, such as s3://bucket/model/"
        ],
    ),
    (
        DraftModel,
        {"s3": "s3://models/draft/", "revision": COMMIT},
        ["draft.revision: goes with hugging_face; remove it"],
    ),
    (
        NextN,
        {"num_steps": 3},
        ["nextn.eagle_topk: missing, got num_steps alone; add eagle_topk and num_draft_tokens, or leave all three out"],
    ),
    (
        NextN,
        {"num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 8},
        ["nextn.num_draft_tokens: a chain (eagle_topk 1) verifies num_steps + 1 tokens, got 8; use 4"],
    ),
]


@pytest.mark.parametrize(("kind", "values", "lines"), WRONG)
def test_wrong_values_are_refused_with_what_to_do(kind: type[Any], values: dict[str, Any], lines: list[str]) -> None:
    assert problems(lambda: kind(**values)) == lines


def test_a_training_says_what_is_left_out() -> None:
    training = EagleTraining(dataset="captured", max_usd=10)
    assert (training.samples, training.capture_percent, training.max_hours) == (1000, 10, 24)
    assert (training.min_speedup, training.max_ttft_regression, training.repeats) == (1.15, 0.1, 3)
    assert (training.gate_max_usd, training.approval, training.second_endpoint) == (100, "none", False)


@pytest.mark.parametrize(
    ("dataset", "kept"),
    [
        ("s3://data/chats", "s3://data/chats/"),
        ("s3://data/chats/", "s3://data/chats/"),
        ("s3://data/chats/one.jsonl", "s3://data/chats/one.jsonl"),
    ],
)
def test_a_dataset_is_a_folder_or_a_file(dataset: str, kept: str) -> None:
    assert EagleTraining(dataset=dataset, max_usd=1).dataset == kept


@pytest.mark.parametrize(
    ("draft", "bucket", "folder"),
    [
        (DraftModel(hugging_face="me/draft", revision=COMMIT), None, f"weights/me/draft/{COMMIT}/"),
        (DraftModel(s3="s3://models/drafts/llama"), "models", "drafts/llama/"),
    ],
)
def test_a_draft_of_elsewhere_has_a_place(draft: DraftModel, bucket: str | None, folder: str) -> None:
    assert (draft.bucket_name, draft.folder) == (bucket, folder)


@pytest.mark.parametrize(
    ("speculative", "kind", "has_files"),
    [
        (Speculative(eagle=EagleTraining(dataset="built_in", max_usd=1)), "eagle", True),
        (Speculative(draft=DraftModel(s3="s3://models/draft/")), "draft", True),
        (Speculative(nextn=NextN(min_speedup=1.5)), "nextn", False),
        (Speculative(ngram=Ngram()), "ngram", False),
    ],
)
def test_the_one_that_is_given_is_the_kind(speculative: Speculative, kind: str, has_files: bool) -> None:
    assert (speculative.kind, speculative.has_draft_model) == (kind, has_files)
    assert speculative.gate.min_speedup == (1.5 if kind == "nextn" else 1.15)
