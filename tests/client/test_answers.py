"""HTTP 200 and no answer: errors inside streams, streams cut off, and what is no stream, on both ways to an endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from botocore.exceptions import ClientError

from cdk_sglang.client import AnswerError, InferenceClient, OpenAIAnswerError, async_openai_client, openai_client
from cdk_sglang.client.answers import ChatAnswer, ChatReader, whole_answer
from cdk_sglang.client.streams import LeasedStream, payload
from localcloud.aws import faults

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
PLACE = "llama on fleet"


def chunk(text: str) -> str:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}], 'object': 'chat.completion.chunk'})}\n\n"


def engine_error(code: int, message: str) -> str:
    """What SGLang sends where a stream fails."""
    error = {"object": "error", "message": message, "type": "InternalServerError", "param": None, "code": code}
    return f"data: {json.dumps({'error': error})}\n\ndata: [DONE]\n\n"


WHOLE = json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "all of it"}}]})
BAD = {
    "an error after two parts": (
        [chunk("a"), chunk("b") + engine_error(500, "out of memory")],
        (500, True, 2),
        "llama on fleet: the model failed after 2 parts of its answer: out of memory (status 500); the same request may succeed later",
    ),
    "an error at once": (
        [engine_error(400, "context too long")],
        (400, False, 0),
        "llama on fleet: the model failed before its answer began: context too long (status 400); the same request will fail again",
    ),
    "an error without its empty line": (
        [chunk("a"), 'data: {"error": "gone"}'],
        (None, False, 1),
        "llama on fleet: the model failed after 1 part of its answer: gone (no status); the same request will fail again",
    ),
    "no end mark": (
        [chunk("a"), chunk("b")],
        (None, True, 2),
        (
            "llama on fleet: the answer broke off after 2 parts of its answer: it ended without its end mark, [DONE]; "
            "the same request may succeed later"
        ),
    ),
    "an event cut off": (
        [chunk("a"), chunk("b")[:20]],
        (None, True, 1),
        (
            "llama on fleet: the answer broke off after 1 part of its answer: it ended without its end mark, [DONE]; "
            "the same request may succeed later"
        ),
    ),
    "an end mark alone": (
        ["data: [DONE]\n\n"],
        (None, True, 0),
        (
            "llama on fleet: the answer broke off before its answer began: it has an end mark, [DONE], and no part before it; "
            "the same request may succeed later"
        ),
    ),
    "a plain error": (
        ['{"object": "error",\n "message": "busy", ', '"code": 503}'],
        (503, True, 0),
        "llama on fleet: the model failed before its answer began: busy (status 503); the same request may succeed later",
    ),
    "a whole answer": (
        [WHOLE[:20], WHOLE[20:]],
        (None, False, 0),
        "llama on fleet: a stream was requested, but the answer came in one piece; ask without a stream",
    ),
    "a page of a proxy": (
        ["<html>502 Bad Gateway</html>"],
        (None, False, 0),
        "llama on fleet: a stream was requested, but the response is no event stream: '<html>502 Bad Gateway</html>'",
    ),
    "an event that is no JSON": (
        [chunk("a"), "data: oops\n\n", "data: [DONE]\n\n"],
        (None, False, 1),
        "llama on fleet: an event of the answer is not a JSON object: 'oops'",
    ),
}
bad_ones = pytest.mark.parametrize("bad", BAD.values(), ids=BAD)


@bad_ones
def test_what_is_no_answer_is_raised_by_the_boto3_side(
    serving: Any,
    options: dict[str, Any],
    request_count: Callable[[], int],
    bad: tuple[list[str], tuple[Any, ...], str],
) -> None:
    (pieces, facts, message), got = bad, []
    with pytest.raises(AnswerError) as caught:
        got.extend(InferenceClient("fleet", "llama", **options).stream_chat(HELLO, pieces=pieces))
    error = caught.value
    assert (str(error), (error.status, error.worth_retry, error.chunks)) == (message, facts)
    assert len(got) == error.chunks, "the parts that came are the caller's"
    assert request_count() == 1, "a copy has worked on it: it is not sent again"


@bad_ones
def test_what_is_no_answer_is_raised_by_the_openai_side(
    serving: Any,
    options: dict[str, Any],
    request_count: Callable[[], int],
    bad: tuple[list[str], tuple[Any, ...], str],
) -> None:
    (pieces, facts, message), got = bad, []
    with openai_client("fleet", "llama", **options) as client, pytest.raises(openai.APIError) as caught:
        got.extend(
            client.chat.completions.create(model="llama", messages=HELLO, stream=True, extra_body={"pieces": pieces})
        )
    error = caught.value
    assert isinstance(error, OpenAIAnswerError)
    assert (error.message, (error.status, error.worth_retry, error.chunks)) == (message, facts)
    assert (len(got), request_count()) == (error.chunks, 1)


def test_an_async_stream_raises_it_too(serving: Any, options: dict[str, Any]) -> None:
    pieces = [chunk("a"), engine_error(500, "out of memory")]

    async def run(got: list[Any]) -> None:
        async with async_openai_client("fleet", "llama", **options) as client:
            stream = await client.chat.completions.create(
                model="llama", messages=HELLO, stream=True, extra_body={"pieces": pieces}
            )
            while True:
                got.append(await anext(stream))

    got: list[Any] = []
    with pytest.raises(OpenAIAnswerError, match="out of memory") as caught:
        asyncio.run(run(got))
    assert (len(got), caught.value.status, caught.value.code) == (1, 500, "500")


def test_a_stream_that_is_left_early_is_no_error(serving: Any, options: dict[str, Any]) -> None:
    with openai_client("fleet", "llama", **options) as client:
        stream = client.chat.completions.create(model="llama", messages=HELLO, stream=True)
        assert next(iter(stream)).choices
        stream.close()
    stream = InferenceClient("fleet", "llama", **options).stream_chat(HELLO)
    assert next(stream)["choices"]
    stream.close()


def test_a_stream_that_sagemaker_ends_is_both_kinds_of_error(serving: Any, options: dict[str, Any]) -> None:
    got = []
    with pytest.raises(
        AnswerError, match="the answer broke off after 2 parts of its answer: ModelStreamError: "
    ) as caught:
        got.extend(InferenceClient("fleet", "llama", **options).stream_chat(HELLO, break_after=1))
    error = caught.value
    assert isinstance(error, ClientError)
    assert (error.code, error.worth_retry, error.chunks, len(got)) == ("ModelStreamError", True, 2, 2)
    assert error.response["Error"]["Code"] == "ModelStreamError"


class Broken:
    """An event stream whose connection ends."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __iter__(self) -> Any:
        yield {"PayloadPart": {"Bytes": chunk("a").encode()}}
        raise self._error

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", ["ProtocolError", "ReadTimeoutError", "ConnectionResetError", "ChecksumMismatch"])
def test_a_connection_that_breaks_inside_a_stream_is_raised_as_one_kind(kind: str) -> None:
    from botocore.eventstream import ChecksumMismatch
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    errors: dict[str, Exception] = {
        "ProtocolError": ProtocolError("IncompleteRead"),
        "ReadTimeoutError": ReadTimeoutError(None, "/", "Read timed out."),
        "ConnectionResetError": ConnectionResetError("reset by peer"),
        "ChecksumMismatch": ChecksumMismatch(1, 2),
    }

    class Place:
        destination = PLACE

        def release(self) -> None:
            pass

    reader, stream = ChatReader(PLACE), LeasedStream(Broken(errors[kind]), Place())
    with pytest.raises(
        AnswerError, match="llama on fleet: the answer broke off after 1 part of its answer: "
    ) as caught:
        list(map(list, map(reader.feed, payload(stream, reader))))
    assert caught.value.worth_retry


def read(whole: bytes, size: int) -> list[Any]:
    reader = ChatReader(PLACE)
    found = [content for at in range(0, len(whole), size) for content, _ in reader.feed(whole[at : at + size])]
    reader.finish()
    return found


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_an_event_may_be_cut_anywhere(line: bytes) -> None:
    lines = (
        b'\xef\xbb\xbfdata: {"n": 1}', b"", b": a comment", b"", b"event: x", b'data:{"n":', b'data: "\xc3\xa9"}', b"id: 7", b"", b"retry: 10",
        b"", b"data: [DONE]", b"", b"data: nobody's", b"",
    )  # fmt: skip
    whole = line.join(lines) + line
    for size in range(1, len(whole) + 1):
        assert read(whole, size) == [{"n": 1}, {"n": "é"}], size


def test_an_end_mark_needs_no_empty_line() -> None:
    assert read(b'data: {"n": 1}\n\ndata: [DONE]', 5) == [{"n": 1}]


@pytest.mark.parametrize(
    "content",
    [
        b'{"error": null, "n": 1, "choices": [{}]}',
        b'{"n": 1, "message": "no error", "choices": [{}]}',
        b'{"error": {}, "n": 1, "choices": [{}]}',
    ],
)
def test_what_only_looks_like_an_error_is_an_answer(content: bytes) -> None:
    assert read(b"data: " + content + b"\n\ndata: [DONE]\n\n", 1000)[0]["n"] == 1
    assert whole_answer(PLACE, content)["n"] == 1


def test_an_error_event_is_an_error_whatever_is_in_it() -> None:
    with pytest.raises(AnswerError, match=r'before its answer began: \{"detail": "x"\} \(no status\)'):
        read(b'event: error\ndata: {"detail": "x"}\n\n', 1000)


def test_nothing_at_all_is_worth_another_try() -> None:
    with pytest.raises(AnswerError, match="a stream was requested, but the response is empty") as caught:
        read(b"", 1)
    assert caught.value.worth_retry


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        ({"message": "m", "code": 429}, True),
        ({"message": "m", "code": "503"}, True),
        ({"message": "m", "code": 404}, False),
        ({"message": "m", "type": "SERVICE_UNAVAILABLE", "code": None}, True),
        ({"message": "m", "type": "BadRequestError"}, False),
        ({"message": "m", "code": "context_length_exceeded"}, False),
    ],
)
def test_whether_to_ask_again_follows_from_the_status_or_the_kind(error: dict[str, Any], worth: bool) -> None:
    with pytest.raises(AnswerError) as caught:
        whole_answer(PLACE, json.dumps({"error": error}).encode())
    assert (caught.value.worth_retry, caught.value.body) == (worth, error)


@pytest.mark.parametrize("body", [b"", b"[1]", b"<html>"])
def test_a_whole_answer_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerError, match="llama on fleet: the answer is not a JSON object"):
        whole_answer(PLACE, body)


def test_a_whole_answer_that_is_an_error_is_raised(
    serving: Any, options: dict[str, Any], request_count: Callable[[], int]
) -> None:
    with pytest.raises(AnswerError, match=r"as asked \(no status\)"):
        InferenceClient("fleet", "llama", **options).chat(HELLO, status=200)
    assert request_count() == 1


@pytest.mark.parametrize(
    "body", [b"{}", b'{"choices": []}', b'{"choices": null}', b'{"choices": {}}', b'{"detail": "x"}']
)
def test_a_whole_answer_without_choices_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerError, match="llama on fleet: the answer has no choices: "):
        whole_answer(PLACE, body)


WHOLE_AND_BAD = [
    ({"status": 200}, r"llama on fleet: the model failed before its answer began: as asked \(no status\)"),
    ({"pieces": ["<html>"]}, "llama on fleet: the answer is not a JSON object: '<html>'"),
    ({"pieces": ["{}"]}, "llama on fleet: the answer has no choices: '{}'"),
    ({"pieces": []}, "llama on fleet: the answer is not a JSON object: ''"),
]


@pytest.mark.parametrize(("body", "message"), WHOLE_AND_BAD)
def test_a_whole_answer_that_is_none_is_raised_by_the_openai_side(
    serving: Any, options: dict[str, Any], request_count: Callable[[], int], body: dict[str, Any], message: str
) -> None:
    with openai_client("fleet", "llama", **options) as client, pytest.raises(OpenAIAnswerError, match=message):
        client.chat.completions.create(model="llama", messages=HELLO, extra_body=body)
    assert request_count() == 1

    async def run() -> None:
        async with async_openai_client("fleet", "llama", **options) as client:
            await client.chat.completions.create(model="llama", messages=HELLO, extra_body=body)

    with pytest.raises(OpenAIAnswerError, match=message):
        asyncio.run(run())


def test_a_whole_answer_is_handed_on_as_it_came(serving: Any, options: dict[str, Any]) -> None:
    with openai_client("fleet", "llama", **options) as client:
        answer = client.chat.completions.create(model="llama", messages=HELLO, extra_body={"pieces": [WHOLE]})
        assert answer.choices[0].message.content == "all of it"
        with client.chat.completions.with_streaming_response.create(
            model="llama", messages=HELLO, extra_body={"pieces": [WHOLE]}
        ) as response:
            assert response.parse().choices[0].message.content == "all of it"


def test_throttling_before_a_stream_is_still_waited_out(serving: Any, options: dict[str, Any]) -> None:
    faults.inject("throttling", target="InvokeEndpointWithResponseStream", times=1)
    assert len(list(InferenceClient("fleet", "llama", **options).stream_chat(HELLO))) == 3


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([{"delta": {"content": "yes"}}, {"delta": {}, "finish_reason": "stop"}], None),
        ([{"delta": {"content": "half"}}, {"delta": None, "finish_reason": "length"}], None),
        (
            [
                {"delta": {"reasoning_content": "hm", "content": None}},
                {"delta": {"content": "\n"}, "finish_reason": "length"},
            ],
            "no answer within 16 tokens: reasoning used them up; raise it",
        ),
        ([{"delta": {}, "finish_reason": "length"}], "no answer within 16 tokens: they were used up; raise it"),
        (
            [{"message": {"reasoning": "hm", "content": None}, "finish_reason": "stop"}],
            "no answer: the model ended after its reasoning (finish_reason stop)",
        ),
        (
            [{"delta": {"tool_calls": [{}]}, "finish_reason": "tool_calls"}],
            "no answer: the model calls a tool instead",
        ),
        ([{"delta": {"content": ""}}], "no answer: it is empty (finish_reason missing)"),
        (
            [{"delta": {"content": "ha"}}, {"delta": {}, "finish_reason": "abort"}],
            "the engine ended the answer before it was whole (finish_reason abort); ask again",
        ),
    ],
)
def test_an_answer_has_words(chunks: list[dict[str, Any]], problem: str | None) -> None:
    answer = ChatAnswer()
    for one in chunks:
        answer.add({"choices": [one]})
    answer.add({"choices": [], "usage": {}})
    answer.add({"choices": None})
    assert answer.problem(tokens=16, more="raise it") == problem
