"""Grammars whose repeats multiply hold up every caller: an automaton keeps a state for each count."""

from __future__ import annotations

import time

import pytest
from cdk_sglang_container.grammars import grammar_problem

MULTIPLIES = "a grammar whose repeats within repeats multiply to at most 10,000"
GROUPS = 'root ::= ((("a"{1,30}){1,30}){1,30}){1,30}'
RULES = 'root ::= p{1,30}\np ::= q{1,30}\nq ::= r{1,30}\nr ::= "a"{1,30}'


def problem(grammar: object) -> str | None:
    return grammar_problem(grammar, size=65_536, depth=64)


@pytest.mark.parametrize("grammar", [GROUPS, RULES, 'root ::= ("a"{1,1000}){1000}', 'root ::= "a"{9}{99}{999}'])
def test_repeats_that_multiply_are_refused_in_groups_and_over_rules(grammar: str) -> None:
    assert problem(grammar) == MULTIPLIES
    tag = {"type": "structural_tag", "format": {"type": "grammar", "grammar": grammar}}
    assert problem(tag) == f"with {MULTIPLIES}"


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= (("a"{1,20}){1,20}){1,20}',
        'root ::= (("a"+)*)+ "b"',
        'root ::= "x{1,999}{1,999}" [{1,999}]{4}  # {999}{999}{999}',
        'root ::= item ("," item)*\nitem ::= [0-9]{1,9} | "(" root ")"',
        "root ::= ",
        "",
    ],
)
def test_others_pass(grammar: str) -> None:
    assert problem(grammar) is None


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= " + "(" * 30_000 + '"a"' + ")" * 30_000,
        'root ::= "' + "\\" * 65_000,
        "{" * 65_000,
        "\n".join(f"r{number} ::= r{number - 1} r{number - 1}" for number in range(512)),
    ],
)
def test_looking_costs_little(grammar: str) -> None:
    began = time.process_time()
    problem(grammar)
    assert time.process_time() - began < 1
