"""Repeats of EBNF grammars: whether nested ones multiply to more than an automaton can follow in time.

xgrammar 0.2.7, which sglang 0.5.23 uses, keeps a state for each count of each bounded repeat. Measured on one core (2026-12): three nested repeats of
30 cost 1 ms a token, four 26 ms at the fortieth token and rising, whether they are groups or rules that name each other; unbounded ones
cost 1 ms.
"""

from __future__ import annotations

import re

PRODUCT_MAX = 10_000
_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[(?:\\.|[^\]\\])*\]|\#[^\n]*)"""
    r"""|\{\s*(?P<least>\d{1,9})\s*(?P<comma>,)?\s*(?P<most>\d{1,9})?\s*\}"""
    r"""|(?P<name>[A-Za-z_][\w.\-]*)(?P<rule>\s*::=)?|(?P<sign>[()])""",
    re.DOTALL,
)


def repeats_problem(grammar: str) -> str | None:
    """Return what an EBNF grammar must be if its nested bounded repeats multiply to too much; None otherwise."""
    rules = _rules(grammar)
    known: dict[str, int] = {}
    for name in reversed(rules):  # rules mostly name later ones
        if _product(name, rules, known, frozenset()) > PRODUCT_MAX:
            return f"a grammar whose repeats within repeats multiply to at most {PRODUCT_MAX:,}"
    return None


def _rules(grammar: str) -> dict[str, list[re.Match[str]]]:
    """The parts of each rule, by its name; both rules of a name that is used twice."""
    rules: dict[str, list[re.Match[str]]] = {"": []}
    current = ""
    for found in _TOKEN.finditer(grammar):
        if found["rule"]:
            current = found["name"]
            rules.setdefault(current, [])
        elif not (found["text"] or "").startswith("#"):
            rules[current].append(found)
    return rules


def _product(name: str, rules: dict[str, list[re.Match[str]]], known: dict[str, int], inside: frozenset[str]) -> int:
    """The largest product of nested bounded repeats in a rule; a rule within itself counts once."""
    if name in known:
        return known[name]
    if name in inside or name not in rules:
        return 1
    outer: list[int] = []
    most = last = 1
    for part in rules[name]:
        if part["sign"] == "(":
            outer.append(most)
            most = last = 1
        elif part["sign"] == ")" and outer:
            last, most = most, max(outer.pop(), most)
        elif part["least"]:
            # Without a maximum, a minimum of n is n copies before an unbounded repeat.
            last *= max(int(part["most"] or part["least"]), 1)
        elif part["name"]:
            last = _product(part["name"], rules, known, inside | {name})
        else:
            last = 1
        most = max(most, last)
    known[name] = most
    return most
