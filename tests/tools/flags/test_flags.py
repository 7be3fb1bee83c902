"""How the options of a release are read from its parser and written down."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from cdk_sglang.engine.releases import SGLANG_VERSION, rows_of
from tools.flags import __main__ as command
from tools.flags.differences import differences, text_of
from tools.flags.parser_rows import rows_of as rows_of_parser


class DeprecatedStoreTrueAction(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, **kwargs)

    def __call__(self, *_: Any) -> None:
        """Nothing is parsed here."""


def test_an_option_is_a_row_without_what_it_has_no_value_for() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tp-size", "--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--old", action=DeprecatedStoreTrueAction)
    parser.add_argument("--backend", choices={"b", "a"}, nargs="+")
    assert rows_of_parser(parser) == [
        {
            "flags": ["--tp-size", "--tensor-parallel-size"],
            "dest": "tp_size",
            "kind": "StoreAction",
            "type": "int",
            "default": 1,
        },
        {"flags": ["--old"], "dest": "old", "kind": "DeprecatedStoreTrueAction", "default": False},
        {"flags": ["--backend"], "dest": "backend", "kind": "StoreAction", "nargs": "+", "choices": ["a", "b"]},
    ]


BASE = [
    {"flags": ["--a"], "dest": "a", "kind": "StoreAction", "default": 1, "choices": [1, 2]},
    {"flags": ["--b"], "dest": "b", "kind": "StoreAction"},
    {"flags": ["--c"], "dest": "c", "kind": "StoreAction"},
]


def test_a_release_is_written_as_what_it_differs_by() -> None:
    gone = {"flags": ["--gone"], "dest": "gone", "kind": "StoreTrueAction"}
    release = [{**BASE[0], "default": None, "choices": [2, 3]}, {**BASE[2], "choices": ["x"]}, gone]
    assert differences(release, BASE) == {
        "absent": ["--b"],
        "changed": {"--a": {"default": None, "choices_absent": [1], "choices_more": [3]}, "--c": {"choices": ["x"]}},
        "more": [gone],
    }


def test_the_same_options_differ_by_nothing() -> None:
    assert differences(BASE, BASE) == {"absent": [], "changed": {}, "more": []}


def test_two_options_of_one_spelling_are_refused() -> None:
    with pytest.raises(ValueError, match="two options share their first spelling"):
        differences([BASE[0], BASE[0]], BASE)


def test_the_text_has_a_line_for_each_option_and_is_json() -> None:
    data = {"source": "s", "absent": ["--a", "--b"], "changed": {"--c": {"default": None}}, "more": []}
    text = text_of(data)
    assert json.loads(text) == data
    assert text.splitlines()[1:4] == ['"absent":[', '"--a",', '"--b"']


def test_the_newest_release_is_written_whole_and_another_as_differences() -> None:
    rows = [dict(row) for row in rows_of(SGLANG_VERSION)]
    assert command.content_of(SGLANG_VERSION, rows, day="2026-11-30")["options"] == rows
    older = command.content_of("0.5.20", rows, day="2026-11-30")
    assert older["absent"] == older["more"] == []
    assert "PyPI wheel sglang 0.5.20" in older["source"]


@pytest.mark.parametrize("arguments", [[], ["0.5.1"]])
def test_an_unknown_release_is_a_line_and_no_download(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert "use 0.5.17, 0.5.18" in capsys.readouterr().err
