"""SGLang's argument vector for the log, without possible secrets."""

from __future__ import annotations

import re

_HIDDEN = "***"
_SECRET = re.compile(
    r"(api|access|secret|private)[-_]?key|password|passwd|credential|secret|(?<![a-z])token(?![a-z0-9])", re.IGNORECASE
)
"""Names of secrets, among options and fields in JSON. `tokenizer`, `max-total-tokens` and the like do not match."""
_OPTION = re.compile(r"(--[^=]+)=(.*)", re.DOTALL)
_FIELD = re.compile(r'("[^"]*")(\s*:\s*)("(?:[^"\\]|\\.)*"|[^,}\]\s]+)')
_USER = re.compile(r"(\w+://)[^/@\s]+@")
_SIGNED = re.compile(r"([?&][^=&\s]*(?:sig|signature|token|credential)[^=&\s]*=)[^&\s\"']+", re.IGNORECASE)


def shown(arguments: list[str]) -> str:
    """The arguments in one line.

    Args:
        arguments: SGLang's argument vector.

    Returns:
        Options and values; `***` replaces values of options and fields that are named like secrets, users in URLs, and signatures.
    """
    line: list[str] = []
    hides = False
    for argument in arguments:
        joined = _OPTION.fullmatch(argument)
        if joined is not None:
            name, value = joined.groups()
            line.append(f"{name}={_HIDDEN if _SECRET.search(name) else _inside(value)}")
            hides = False
        elif argument.startswith("--"):
            line.append(argument)
            hides = bool(_SECRET.search(argument))
        else:
            line.append(_HIDDEN if hides else _inside(argument))
    return " ".join(line)


def _inside(value: str) -> str:
    value = _FIELD.sub(
        lambda field: f'{field[1]}{field[2]}"{_HIDDEN}"' if _SECRET.search(field[1]) else field[0], value
    )
    return _SIGNED.sub(rf"\1{_HIDDEN}", _USER.sub(rf"\1{_HIDDEN}@", value))
