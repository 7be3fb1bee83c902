"""One validation and one translation of its errors, whether a specification is written in YAML or in Python."""

from __future__ import annotations

import copy
import pickle
from typing import Annotated, Any, ClassVar, Literal, Self

import aws_cdk as cdk
import pydantic
import pytest
from pydantic import Field, model_validator

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.tokens import OrToken, is_number_token, is_text_token
from cdk_sglang.validation import Spec, meanings, validated
from cdk_sglang.validation_errors import problems_of


class Inner(Spec):
    """A part."""

    size: int = Field(default=1, ge=1, le=8)
    """Number of parts."""
    kind: Literal["spread", "pack"] = "spread"


class Outer(Spec):
    """The whole."""

    _noun: ClassVar[str] = "outer"

    name: str
    parts: dict[str, Inner] = Field(default={})
    inner: Inner | None = None
    seconds: Annotated[int, Field(ge=1, le=60), OrToken] = 30
    low: int = 0
    high: int = 10

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.high < self.low:
            raise ConfigurationError([Problem("high", f"{self.high} is below low {self.low}"), Problem("", "no range")])
        return self


def problems_in_python(**values: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Outer(**values)
    return list(caught.value.problems)


def problems_in_yaml(content: dict[str, Any]) -> list[str]:
    with pytest.raises(pydantic.ValidationError) as caught:
        Outer.model_validate(content)
    return list(problems_of(caught.value, Outer))


MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": 7}, ["name: 7 is a number here; write it in quotes"]),
    ({"name": True}, ["name: True is true or false here; write it in quotes"]),
    ({}, ["name: missing; it has no default"]),
    ({"nmae": "x", "name": "x"}, ["nmae: unknown key; did you mean 'name'"]),
    ({"name": "x", "low": "4"}, ["low: '4' is text; write 4 without quotes"]),
    ({"name": "x", "low": True}, ["low: takes a whole number, got True; write a whole number"]),
    ({"name": "x", "low": None}, ["low: takes a whole number, got nothing; write it, or remove the key"]),
    ({"name": "x", "parts": {"a": {"sise": 2}}}, ["parts.a.sise: unknown key; did you mean 'size'"]),
    ({"name": "x", "inner": {"sise": 2}}, ["inner.sise: unknown key; did you mean 'size'"]),
    ({"name": "x", "inner": {"size": 0}}, ["inner.size: 0 is not allowed; use a value >= 1"]),
    ({"name": "x", "inner": {"kind": "spred"}}, ["inner.kind: 'spred' is not allowed; did you mean 'spread'"]),
    ({"name": "x", "low": 3, "high": 2}, ["high: 2 is below low 3", "no range"]),
    ({"name": "x\ny" * 40, "low": "x"}, ["low: 'x' is text; write a number in digits, without quotes"]),
]


@pytest.mark.parametrize(("values", "lines"), MISTAKES)
def test_a_mistake_has_the_same_words_in_yaml_and_in_python(values: dict[str, Any], lines: list[str]) -> None:
    assert problems_in_yaml(values) == lines
    whole = {"no range": "outer: no range"}
    assert problems_in_python(**values) == [whole.get(line, f"outer.{line}") for line in lines]


def test_every_mistake_is_said_at_once() -> None:
    assert len(problems_in_python(low="x", high="y", seconds=0)) == 4


def test_a_key_that_a_terminal_would_obey_is_shown_as_text() -> None:
    (line,) = problems_in_yaml({"name": "x", "\x1b[31m": 1})
    assert "\x1b" not in line


def test_a_number_known_at_deployment_passes_where_synth_does_not_need_it() -> None:
    token = cdk.Token.as_number({"Ref": "Seconds"})
    assert is_number_token(token)
    assert Outer(name="x", seconds=token).seconds == token
    assert problems_in_python(name="x", low=token) == [
        "outer.low: must be known at synth, got a token; give the number itself"
    ]


def test_a_text_known_at_deployment_is_known_as_such() -> None:
    assert is_text_token(f"arn:{cdk.Aws.PARTITION}:iam")
    assert not is_text_token("arn:aws:iam")
    assert not is_text_token(4)


def test_a_copy_with_other_values_is_validated() -> None:
    one = Outer(name="x", low=2)
    assert one.replace(high=5) == Outer(name="x", low=2, high=5)
    with pytest.raises(ConfigurationError, match="high: 1 is below low 2"):
        one.replace(high=1)


def test_a_specification_is_frozen_and_survives_copy_and_pickle() -> None:
    one = Inner(size=2)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        one.size = 3
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one


def test_the_text_below_a_field_describes_it_in_the_schema() -> None:
    assert meanings(Inner) == {"size": "Number of parts."}
    assert Inner.model_json_schema()["properties"]["size"]["description"] == "Number of parts."


def test_what_is_right_is_kept_beside_what_is_wrong_with_the_rest() -> None:
    outer, problems = validated(
        Outer, "one", name="a", seconds=90, high=5, parts={"good": Inner(size=2), "bad": {"size": 9}}
    )
    assert outer == Outer(name="a", high=5, parts={"good": Inner(size=2)})
    assert problems == [
        "one.parts.bad.size: 9 is not allowed; use a value <= 8",
        "one.seconds: 90 is not allowed; use a value <= 60",
    ]


@pytest.mark.parametrize(
    ("values", "line"),
    [({}, "one.name: missing; it has no default"), ({"name": "a", "low": 5, "high": 1}, "one.high: 1 is below low 5")],
)
def test_where_the_rest_is_no_specification_the_problems_are_raised(values: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        validated(Outer, "one", **values)
    assert error.value.problems[0].startswith(line)
