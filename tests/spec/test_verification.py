"""The verification of a deployment and its request, as an environment file and as Python state them."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

import cdk_sglang
from cdk_sglang import ConfigurationError, NoVerification, SmokeRequest, Verification
from cdk_sglang.spec.verification import chosen_verification
from cdk_sglang.validation import Spec

TOKEN = -1.8881545897087626e289
"""How CDK encodes a number that is known only at deployment."""


def problems(make: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        make()
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (
            lambda: Verification(timeout_minutes=61),
            ["verification.timeout_minutes: 61 is not allowed; use a value <= 55"],
        ),
        (
            lambda: Verification(timeout_minutes=4),
            ["verification.timeout_minutes: 4 is not allowed; use a value >= 5"],
        ),
        (
            lambda: Verification(timeout_minutes=TOKEN),
            ["verification.timeout_minutes: must be known at synth, got a token; give the number itself"],
        ),
        (
            lambda: Verification(none="a test", smoke=SmokeRequest()),
            ["verification.none: goes without timeout_minutes and smoke; remove them, or check"],
        ),
        (
            lambda: NoVerification(reason=" "),
            ["verification.reason: ' ' is too short; the least is 1 character"],
        ),
        (
            lambda: SmokeRequest(timeout_seconds=61),
            ["smoke.timeout_seconds: 61 is not allowed; use a value <= 60"],
        ),
        (
            lambda: SmokeRequest(body={"stream": True}, expect=("a..b", "id", "")),
            [
                "smoke.expect: 'a..b' is not a path; write field names and positions with dots, such as choices.0.message.content",
                "smoke.expect: '' is not a path; write field names and positions with dots, such as choices.0.message.content",
                "smoke.body.stream: streams are not read by the check; leave it out",
            ],
        ),
        (
            lambda: SmokeRequest(expect=()),
            ["smoke.expect: () has 0 entries; list at least 1"],
        ),
        (
            lambda: SmokeRequest(body={}),
            ["smoke.body: {} has 0 entries; list at least 1"],
        ),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], lines: list[str]) -> None:
    assert problems(make) == lines


def test_a_request_says_what_is_sent_when_nobody_says() -> None:
    assert SmokeRequest().as_sent() == {
        "body": {"messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16, "temperature": 0},
        "expect": [
            "choices.0.message.content",
            "choices.0.message.reasoning_content",
            "choices.0.message.tool_calls",
        ],
        "timeout_seconds": 60,
    }


def test_a_chat_that_sees_is_asked_about_a_tiny_image_in_openais_words() -> None:
    request = SmokeRequest().as_sent(sees=True)
    image, text = request["body"]["messages"][0]["content"]
    assert text == {"type": "text", "text": "Say OK."}
    kind, _, encoded = image["image_url"]["url"].partition(",")
    assert (image["type"], kind) == ("image_url", "data:image/png;base64")
    content = base64.b64decode(encoded, validate=True)
    chunks = []
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    position = 8
    while position < len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", content, position + 8 + length)[0] == zlib.crc32(name + data)
        chunks.append((name, data))
        position += length + 12
    assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (64, 64, 8, 2, 0, 0, 0)  # RGB, which every processor takes
    assert zlib.decompress(chunks[1][1]) == (b"\0" + b"\x80" * 3 * 64) * 64
    assert request["expect"] == SmokeRequest().as_sent()["expect"]


def test_no_other_task_and_no_request_of_ones_own_gets_an_image() -> None:
    assert SmokeRequest().as_sent("embedding", sees=True) == SmokeRequest().as_sent("embedding")
    assert SmokeRequest(body={"messages": []}).as_sent(sees=True)["body"] == {"messages": []}


def test_a_request_is_sent_as_stated() -> None:
    body: Mapping[str, Any] = MappingProxyType({"messages": []})
    request = SmokeRequest(body=body, expect=["id"], timeout_seconds=TOKEN)
    assert request.as_sent() == {"body": {"messages": []}, "expect": ["id"], "timeout_seconds": TOKEN}


def test_a_verification_waits_almost_as_long_as_cloudformation_does() -> None:
    assert Verification().timeout_seconds == 55 * 60
    assert Verification(timeout_minutes=5).timeout_seconds == 300


@pytest.mark.parametrize(
    ("choice", "earlier", "verification"),
    [
        (None, None, Verification()),
        (Verification(timeout_minutes=9), None, Verification(timeout_minutes=9)),
        (None, Verification(timeout_minutes=9), Verification(timeout_minutes=9)),
        (NoVerification(reason="a test"), None, Verification(none="a test")),
        (None, NoVerification(reason="a test"), Verification(none="a test")),
    ],
)
def test_one_verification_is_chosen(
    choice: Verification | NoVerification | None,
    earlier: Verification | NoVerification | None,
    verification: Verification,
) -> None:
    assert chosen_verification("Chat", choice, earlier) == verification


def test_a_choice_under_both_names_is_refused() -> None:
    assert problems(lambda: chosen_verification("Chat", Verification(), Verification())) == [
        "Chat.truth_check: is the earlier name of verification; give verification alone"
    ]


def test_the_earlier_names_are_the_same_types() -> None:
    assert cdk_sglang.TruthCheck is Verification
    assert cdk_sglang.NoTruthCheck is NoVerification


@pytest.mark.parametrize("kind", [SmokeRequest, Verification, NoVerification])
def test_every_field_has_a_meaning_in_the_schema(kind: type[Spec]) -> None:
    for name, field in kind.model_json_schema()["properties"].items():
        assert field.get("description"), name
