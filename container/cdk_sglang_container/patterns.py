"""Regular expressions of callers: whether they can be matched without stopping everybody else.

SGLang 0.5.23 matches `stop_regex` with Python's `re` in its scheduler, once per token (srt/managers/schedule_batch.py), where
a pattern that backtracks holds up every caller; it follows `regex` with an automaton, where repeats within repeats multiply.
"""

from __future__ import annotations

import re
import re._constants as constants  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from typing import Any

_MAX_BYTES = 256  # SGLang's own limit of a stop_regex (srt/sampling/sampling_params.py, MAX_STOP_REGEX_LEN)
_UNBOUNDED_MAX = 2
# Tried with xgrammar 0.2.7, which sglang 0.5.23 uses (2026-11, one core): (a*)*b costs 25 ms a token, ((a+)+)+b 67, three
# repeats of 30 in a fourth 660, in the scheduler while every other caller waits; one repeat alone costs nothing.
_PRODUCT_MAX = 10_000
_UNBOUNDED_COUNTS_AS = 100
_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT)
_LOOKS_BACK = (constants.ASSERT, constants.ASSERT_NOT, constants.GROUPREF, constants.GROUPREF_EXISTS)


def pattern_problem(pattern: str, *, backtracks: bool) -> str | None:
    """What the pattern must be when it is not that; None when it can be matched.

    Args:
        pattern: The regular expression.
        backtracks: Whether Python's `re` matches it (`stop_regex`) or an automaton (`regex`).
    """
    if backtracks and len(pattern.encode()) > _MAX_BYTES:
        return f"a regular expression of at most {_MAX_BYTES} bytes"
    try:
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        # An automaton's dialect is not Python's: what Python cannot read is judged by its compiler.
        return f"a regular expression ({error})" if backtracks else None
    if not backtracks:
        product, levels = _product(parsed)
        if levels < 2 or product <= _PRODUCT_MAX:  # noqa: PLR2004
            return None
        return f"a regular expression whose repeats within repeats multiply to at most {_PRODUCT_MAX:,}"
    if _nests(parsed, inside=False) or _unbounded(parsed) > _UNBOUNDED_MAX:
        return (
            f"a regular expression with at most {_UNBOUNDED_MAX} unbounded repeats, and without repeats or "
            "alternatives in a repeat, look-around and back references: it is tried at every token"
        )
    return None


def _parts(operation: Any, value: Any) -> list[Any]:  # noqa: ANN401 # re's parse tree
    """The sub-patterns of one node."""
    if operation in _REPEATS:
        return [value[2]]
    if operation is constants.SUBPATTERN:
        return [value[3]]
    if operation is constants.ATOMIC_GROUP:
        return [value]
    if operation is constants.BRANCH:
        return list(value[1])
    return []


def _nests(pattern: Any, *, inside: bool) -> bool:  # noqa: ANN401
    for operation, value in pattern:
        repeats = operation in _REPEATS and value[1] > 1
        if operation in _LOOKS_BACK or (inside and (repeats or operation is constants.BRANCH)):
            return True
        if any(_nests(part, inside=inside or repeats) for part in _parts(operation, value)):
            return True
    return False


def _unbounded(pattern: Any) -> int:  # noqa: ANN401
    own = sum(operation in _REPEATS and value[1] is constants.MAXREPEAT for operation, value in pattern)
    return own + sum(_unbounded(part) for operation, value in pattern for part in _parts(operation, value))


def _product(pattern: Any) -> tuple[int, int]:  # noqa: ANN401
    """The largest product of repeats within each other, and how many those are."""
    most = (1, 0)
    for operation, value in pattern:
        inner = max((_product(part) for part in _parts(operation, value)), default=(1, 0))
        if operation in _REPEATS and value[1] > 1:
            count = _UNBOUNDED_COUNTS_AS if value[1] is constants.MAXREPEAT else int(value[1])
            inner = (inner[0] * count, inner[1] + 1)
        most = max(most, inner)
    return most
