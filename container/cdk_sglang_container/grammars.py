"""Whether callers' grammars can be compiled without delaying every other caller who sends one.

SGLang 0.5.23 compiles them in its scheduler's process with xgrammar 0.2.7, which has no time limit. Measured on one core
(2026-11), each took more than 12 s: arrays nested 2,000 deep (a JSON schema may be a text, so the body's own depth does not
tell), 3,000 rules of EBNF, each of which names the next, and an object of 300 properties with minProperties 10 (2.7 s
with 100 properties, 0.2 s with 64). Within the bounds here the slowest took 0.4 s.
"""

from __future__ import annotations

import json
from typing import Any

from cdk_sglang_container.patterns import pattern_problem
from cdk_sglang_container.repeats import repeats_problem

_PROPERTIES_MAX = 512
_COUNTED_PROPERTIES_MAX = 64
_RULES_MAX = 512
_COUNTS = ("minProperties", "maxProperties")


def grammar_problem(value: object, *, size: int, depth: int) -> str | None:
    """Return what a grammar must be; None if it can be compiled.

    Args:
        value: A JSON schema or tools, as they are or as a text; a structural tag; or EBNF.
        size: Maximum size in bytes.
        depth: Maximum levels of nested arrays and objects.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > size:
        return f"at most {size} bytes long"
    if isinstance(value, str):
        if not text.lstrip().startswith(("{", "[")):
            return _ebnf_problem(text)
        try:
            value = json.loads(text)
        except RecursionError:
            return _deep(depth)
        except ValueError:
            return None  # the compiler reports it
    return _schema_problem(value, depth)


def _ebnf_problem(text: str) -> str | None:
    return f"a grammar of at most {_RULES_MAX} rules" if text.count("::=") > _RULES_MAX else repeats_problem(text)


def _schema_problem(schema: object, depth: int) -> str | None:
    level, levels = [schema], 0
    while level:
        inner: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                problem = _object_problem(part)
                if problem is not None:
                    return problem
                inner += [value for value in part.values() if isinstance(value, dict | list)]
            elif isinstance(part, list):
                inner += [value for value in part if isinstance(value, dict | list)]
        level, levels = inner, levels + 1
        if levels > depth:
            return _deep(depth)
    return None


def _object_problem(schema: dict[str, Any]) -> str | None:
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (problem := pattern_problem(pattern, backtracks=False)):
        return f"without a pattern like {pattern[:40]!r}, but with {problem}"
    grammar = schema.get("grammar")  # of a structural tag
    if isinstance(grammar, str) and (problem := _ebnf_problem(grammar)):
        return f"with {problem}"
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict):
        problems = (pattern_problem(each, backtracks=False) for each in patterns)
        if problem := next((each for each in problems if each), None):
            return f"without such patternProperties, but with {problem}"
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if len(properties) > _PROPERTIES_MAX:
            return f"with at most {_PROPERTIES_MAX} properties in an object"
        if len(properties) > _COUNTED_PROPERTIES_MAX and any(name in schema for name in _COUNTS):
            return f"with at most {_COUNTED_PROPERTIES_MAX} properties in an object with {' or '.join(_COUNTS)}"
    return None


def _deep(depth: int) -> str:
    return f"nested at most {depth} deep"
