"""The dataset of a run: read from S3 or captured traffic, filtered, written as one file, or refused."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from cdk_sglang._runtime.speculative.ends import INPUTS_REFUSED, EndError
from cdk_sglang._runtime.speculative.formats import line
from cdk_sglang._runtime.speculative.source import prepare
from tests.runtime.speculative.test_dataset import ASKED, CHAT, PLAIN, SHAREGPT, capture, jsonl
from tests.support.speculation import BUCKET, COMPONENT, ENDPOINT, RUN, aws, config, plenty, stubbed


def put(s3: Any, key: str, content: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)


def of_s3(**training: Any) -> Any:
    return config(training={"dataset": f"s3://{BUCKET}/data/", **training})


def test_a_dataset_is_written_as_one_file_with_its_hash(s3: Any) -> None:
    put(s3, "data/b.jsonl", jsonl(CHAT))
    put(s3, "data/a.json", json.dumps([SHAREGPT]).encode())
    put(s3, "data/readme.md", b"no data")

    found = prepare(aws(s3=s3), of_s3(), RUN, seconds_left=plenty)
    again = prepare(aws(s3=s3), of_s3(), RUN, seconds_left=plenty)

    key = f"speculative/{COMPONENT}/runs/{RUN}/data/train.jsonl"
    assert found["uri"] == f"s3://{BUCKET}/{key}"
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == line(CHAT) * 2
    assert (found["lines"], found["bad"]) == (2, 0)
    assert again == found


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "has no .jsonl and no .json file"),
        ({"x.jsonl": b"\n\n"}, "has no conversation to train on: 0 bad lines"),
        ({"x.jsonl": jsonl(*[{"text": "x"}] * 3)}, "3 bad lines: x.jsonl:1: has neither messages"),
        ({"x.jsonl": jsonl(CHAT, CHAT, b"?")}, "1 of 3 lines of s3://weights-1/data/ are bad: x.jsonl:3: no JSON"),
    ],
)
def test_a_wrong_dataset_is_refused_and_leaves_no_file(s3: Any, files: dict[str, bytes], reason: str) -> None:
    for name, content in files.items():
        put(s3, f"data/{name}", content)

    with pytest.raises(EndError) as refused:
        prepare(aws(s3=s3), of_s3(), RUN, seconds_left=plenty)

    assert refused.value.end == INPUTS_REFUSED
    assert reason in refused.value.reason
    assert "cdk-sglang eagle start" in refused.value.next_step
    assert not s3.list_objects_v2(Bucket=BUCKET, Prefix=f"speculative/{COMPONENT}/runs/{RUN}/data/").get("Contents")


def test_a_dataset_that_does_not_fit_into_the_time_is_refused_with_the_place(s3: Any) -> None:
    put(s3, "data/x.jsonl", jsonl(CHAT) * 1200)

    with pytest.raises(EndError, match=r"was read to x.jsonl:500 when the function's time was over"):
        prepare(aws(s3=s3), of_s3(), RUN, seconds_left=lambda: -1.0)


def captured(s3: Any, count: int) -> Any:
    content = jsonl(*(capture(ASKED, PLAIN, event_id=f"e{index}") for index in range(count)))
    put(s3, f"captured/{ENDPOINT}/main/2026/11/30/11/x.jsonl", content)
    return config(training={"dataset": "captured", "captured_samples": 4})


def test_captured_traffic_is_sampled(s3: Any) -> None:
    found = prepare(aws(s3=s3), captured(s3, 9), RUN, seconds_left=plenty)

    assert found["lines"] == 4


def test_too_little_captured_traffic_ends_the_run_before_it_costs_anything(s3: Any) -> None:
    with pytest.raises(EndError, match=r"captured_samples: 4, and .* has 3 conversations of prod-chat-llama"):
        prepare(aws(s3=s3), captured(s3, 3), RUN, seconds_left=plenty)


def test_an_empty_capture_is_named(s3: Any) -> None:
    with pytest.raises(EndError, match=r"captured/prod-chat/ has captured nothing yet"):
        prepare(aws(s3=s3), config(training={"dataset": "captured"}), RUN, seconds_left=plenty)


SCRUB = "arn:aws:lambda:us-east-1:123456789012:function:scrub"


def scrubbing(s3: Any, reply: Any, *, failed: bool = False) -> Any:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    answer = {"StatusCode": 200, "Payload": io.BytesIO(body), **({"FunctionError": "Unhandled"} if failed else {})}
    lambda_ = stubbed("lambda", ("invoke", {}, answer))
    found = captured(s3, 4)
    training = replace(found.training, scrub=SCRUB)
    return prepare(aws(s3=s3, lambda_=lambda_), replace(found, training=training), RUN, seconds_left=plenty)


def test_the_owners_filter_changes_and_removes_conversations(s3: Any) -> None:
    cleaned = {"messages": [{"role": "user", "content": "[name]"}, {"role": "assistant", "content": "answer"}]}

    found = scrubbing(s3, {"conversations": [cleaned, cleaned]})

    assert (found["lines"], found["dropped"]) == (2, 2)


@pytest.mark.parametrize(
    ("reply", "failed", "reason"),
    [
        ({"errorMessage": "Jane Doe"}, True, "failed; see its log"),
        (b"?", False, 'returned no {"conversations": [...]}'),
        ({"conversations": [CHAT] * 5}, False, "returned 5 conversations for 4"),
        ({"conversations": [{"a": 1}]}, False, "returned a conversation that has neither messages"),
    ],
)
def test_a_filter_that_fails_stops_the_run(s3: Any, reply: Any, failed: bool, reason: str) -> None:
    with pytest.raises(EndError) as refused:
        scrubbing(s3, reply, failed=failed)

    assert reason in refused.value.reason
    assert "nothing is trained on unfiltered" in refused.value.reason
    assert "Jane" not in refused.value.reason
