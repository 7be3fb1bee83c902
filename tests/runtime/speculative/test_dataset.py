"""Training data: every format line by line, with counts and the first bad lines."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_sglang._runtime.speculative.dataset import LINE_MAX, Counts, draw, drawn, records, rows
from cdk_sglang._runtime.speculative.formats import line
from tests.support.speculation import COMPONENT

CHAT = {"messages": [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]}
SHAREGPT = {"conversations": [{"from": "human", "value": "question"}, {"from": "gpt", "value": "answer"}]}
COMPLETION = {"prompt": "once", "completion": " upon a time"}


def jsonl(*found: Any) -> bytes:
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in found)


def read(content: bytes, *, component: str = "", block: int = 7) -> tuple[list[dict[str, Any]], Counts]:
    counts = Counts()
    pieces = [content[first : first + block] for first in range(0, len(content), block)]
    return [one.content for one in records(rows("train.jsonl", pieces), counts, component=component)], counts


def capture(
    request: Any, reply: str, *, encoding: str = "JSON", event_id: str = "e1", **metadata: Any
) -> dict[str, Any]:
    def data(text: str) -> str:
        return base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text

    return {
        "captureData": {
            "endpointInput": {"mode": "INPUT", "data": data(json.dumps(request)), "encoding": encoding},
            "endpointOutput": {"mode": "OUTPUT", "data": data(reply), "encoding": encoding},
        },
        "eventMetadata": {"eventId": event_id, "inferenceTime": "2026-11-30T11:00:00Z", **metadata},
        "eventVersion": "0",
    }


def streamed(*pieces: str, done: bool = True) -> str:
    events = [json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in pieces]
    events.insert(0, json.dumps({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}))
    return "".join(f"data: {one}\n\n" for one in [*events, *(["[DONE]"] if done else [])])


ASKED = {"messages": [{"role": "user", "content": "question"}], "stream": True}
PLAIN = json.dumps({"choices": [{"message": {"role": "assistant", "content": "answer"}}]})


def test_sharegpt_and_chat_become_chat_lines() -> None:
    found, counts = read(jsonl(CHAT, SHAREGPT))

    assert found == [CHAT, CHAT]
    assert (counts.lines, counts.bad, counts.formats) == (2, 0, {"openai_chat": 1, "sharegpt": 1})


def test_completions_stay_completions() -> None:
    found, counts = read(jsonl(COMPLETION, COMPLETION))

    assert found == [COMPLETION, COMPLETION]
    assert counts.family == "openai_completions"


def test_a_json_array_of_sharegpt_is_read_entry_by_entry() -> None:
    tricky = {"conversations": [{"from": "human", "value": 'a "]}" \\'}, {"from": "gpt", "value": '{[\\"'}]}

    found, counts = read(json.dumps([SHAREGPT, tricky], indent=1).encode())

    assert counts.lines == 2
    assert found[1]["messages"][0]["content"] == 'a "]}" \\'


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "train.jsonl:2: no JSON at character 1"),
        (b"\xff\xfe", "train.jsonl:2: no JSON in UTF-8"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "message 1 has half of a surrogate pair"),
        (b"[1]", "train.jsonl:2: is no JSON object"),
        ({"text": "x"}, "has neither messages, conversations, nor prompt and completion"),
        ({"messages": []}, "messages is no list with a message in it"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "message 1 has no role of system"),
        ({"messages": [{"role": "user", "content": "x"}]}, "has no question with an answer"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "message 1 has images"),
        ({"prompt": [1, 2], "completion": "x"}, "prompt is token ids"),
        (COMPLETION, "is openai_completions in a dataset of openai_chat; a job takes one format"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]}, "calls tools without a text"),
    ],
)
def test_a_bad_line_is_counted_with_its_number_and_reason_and_never_its_text(bad: Any, reason: str) -> None:
    found, counts = read(jsonl(CHAT, bad, CHAT))

    assert len(found) == 2
    assert counts.bad == 1
    assert reason in counts.first_bad[0]


def test_a_line_without_an_end_is_dropped_without_being_held() -> None:
    blocks = iter([jsonl(CHAT), *[b"x" * 2**20] * 6, b"\n", jsonl(CHAT)])
    counts = Counts()

    found = list(records(rows("big.jsonl", blocks), counts))

    assert len(found) == 2
    assert counts.first_bad == [f"big.jsonl:2: longer than {LINE_MAX} bytes"]


@pytest.mark.parametrize("encoding", ["JSON", "BASE64"])
@pytest.mark.parametrize("reply", [PLAIN, streamed("ans", "wer")])
def test_captured_requests_become_chat_lines(encoding: str, reply: str) -> None:
    found, counts = read(jsonl(capture(ASKED, reply, encoding=encoding)), component=COMPONENT)

    assert found == [CHAT]
    assert counts.formats == {"data_capture": 1}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (capture(ASKED, streamed("ans", done=False)), "the stream of the answer is cut short"),
        (capture(ASKED, json.dumps({"error": {"message": "full"}})), "the answer is an error"),
        (capture(ASKED, PLAIN, statusCode=503), "was answered with status 503"),
        (capture({"input": 1}, PLAIN), "the request has neither messages nor prompt"),
        ({"captureData": {"endpointInput": {"data": "{}"}}}, "endpointOutput was not captured"),
        (
            {"captureData": {"endpointInput": {"data": "?", "encoding": "BASE64"}, "endpointOutput": {"data": "{}"}}},
            "endpointInput is no base64 of UTF-8 text",
        ),
    ],
)
def test_a_captured_record_without_a_whole_answer_is_bad(record: dict[str, Any], reason: str) -> None:
    found, counts = read(jsonl(record), component=COMPONENT)

    assert found == []
    assert reason in counts.first_bad[0]


def test_captured_records_of_other_components_are_left_out() -> None:
    other = capture(ASKED, PLAIN, inferenceComponentName="prod-chat-other")

    found, counts = read(jsonl(other, capture(ASKED, PLAIN)), component=COMPONENT)

    assert len(found) == 1
    assert (counts.others, counts.bad) == (1, 0)


text = st.text(min_size=1).filter(str.strip)
chats = st.lists(text, min_size=1, max_size=3).map(
    lambda texts: {
        "messages": [
            message
            for one in texts
            for message in ({"role": "user", "content": one}, {"role": "assistant", "content": one})
        ]
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(chats, max_size=5), st.integers(1, 50), st.booleans())
def test_every_chat_comes_back_whatever_its_text_and_however_it_is_cut(found: Any, block: int, array: bool) -> None:
    content = json.dumps(found).encode() if array else b"".join(map(line, found))

    read_back, counts = read(content, block=block)

    assert read_back == found
    assert counts.bad == 0


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_file_breaks_the_reader(content: bytes, block: int) -> None:
    found, counts = read(content, block=block)

    assert counts.lines == len(found)


def test_a_sample_is_the_same_in_every_order_and_of_the_size_asked() -> None:
    found, counts = [], Counts()
    lines = jsonl(*(capture(ASKED, PLAIN, event_id=f"e{index}") for index in range(50)))
    found = list(records(rows("c.jsonl", [lines]), counts))

    bound, available = drawn(found, 10)
    again, _ = drawn(reversed(found), 10)

    assert (bound, available) == (again, 50)
    assert sum(draw(one.id) <= (bound or 0) for one in found) == 10
