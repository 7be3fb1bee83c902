"""Whether callers' regular expressions can be matched without stopping every other caller.

SGLang 0.5.23 matches `stop_regex` with Python's `re` in its scheduler, once per token (srt/managers/schedule_batch.py), where
a pattern that backtracks delays every caller; it matches `regex` with an automaton, where nested repeats multiply.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the standard library's types know these two modules by their old names
    import sre_constants as constants
    import sre_parse as parser
    from collections.abc import Iterable

    # An operation of re's parse tree, and its operands.
    Node = tuple[object, Any]
else:
    from re import _constants as constants
    from re import _parser as parser

_MAX_BYTES = 256  # SGLang's own limit of a stop_regex (srt/sampling/sampling_params.py, MAX_STOP_REGEX_LEN)
_UNBOUNDED_MAX = 2
# Measured with xgrammar 0.2.7, which sglang 0.5.23 uses (2026-11, one core): (a*)*b costs 25 ms a token, ((a+)+)+b 67, three
# repeats of 30 in a fourth 660, in the scheduler while every other caller waits; one repeat alone costs nothing.
_PRODUCT_MAX = 10_000
_MULTIPLYING_LEVELS = 2
_UNBOUNDED_COUNTS_AS = 100
_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT)
_LOOKS_BACK = (constants.ASSERT, constants.ASSERT_NOT, constants.GROUPREF, constants.GROUPREF_EXISTS)


def pattern_problem(pattern: str, *, backtracks: bool) -> str | None:
    """Return what the pattern must be; None if it can be matched.

    Args:
        pattern: The regular expression.
        backtracks: Whether Python's `re` matches it (`stop_regex`) or an automaton (`regex`).
    """
    if backtracks and len(pattern.encode()) > _MAX_BYTES:
        return f"a regular expression of at most {_MAX_BYTES} bytes"
    try:
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        # An automaton's dialect is not Python's: the automaton's compiler judges what Python cannot parse.
        return f"a regular expression ({error})" if backtracks else None
    if not backtracks:
        product, levels = _product(parsed)
        if levels < _MULTIPLYING_LEVELS or product <= _PRODUCT_MAX:
            return None
        return f"a regular expression whose repeats within repeats multiply to at most {_PRODUCT_MAX:,}"
    if _nests(parsed, inside=False) or _unbounded(parsed) > _UNBOUNDED_MAX:
        return (
            f"a regular expression with at most {_UNBOUNDED_MAX} unbounded repeats, and without repeats or "
            "alternatives in a repeat, look-around and back references: it is tried at every token"
        )
    return None


def _nodes(pattern: parser.SubPattern) -> Iterable[Node]:
    return pattern.data


def _parts(node: Node) -> list[parser.SubPattern]:
    """The sub-patterns of one node."""
    operation, value = node
    if operation in _REPEATS:
        return [value[2]]
    if operation is constants.SUBPATTERN:
        return [value[3]]
    if operation is constants.ATOMIC_GROUP:
        return [value]
    if operation is constants.BRANCH:
        return list(value[1])
    return []


def _nests(pattern: parser.SubPattern, *, inside: bool) -> bool:
    for node in _nodes(pattern):
        operation, value = node
        repeats = operation in _REPEATS and value[1] > 1
        if operation in _LOOKS_BACK or (inside and (repeats or operation is constants.BRANCH)):
            return True
        if any(_nests(part, inside=inside or repeats) for part in _parts(node)):
            return True
    return False


def _unbounded(pattern: parser.SubPattern) -> int:
    own = sum(operation in _REPEATS and value[1] is constants.MAXREPEAT for operation, value in _nodes(pattern))
    return own + sum(_unbounded(part) for node in _nodes(pattern) for part in _parts(node))


def _product(pattern: parser.SubPattern) -> tuple[int, int]:
    """The largest product of nested repeats, and their number."""
    most = (1, 0)
    for node in _nodes(pattern):
        operation, value = node
        inner = max((_product(part) for part in _parts(node)), default=(1, 0))
        if operation in _REPEATS and value[1] > 1:
            count = _UNBOUNDED_COUNTS_AS if value[1] is constants.MAXREPEAT else int(value[1])
            inner = (inner[0] * count, inner[1] + 1)
        most = max(most, inner)
    return most
