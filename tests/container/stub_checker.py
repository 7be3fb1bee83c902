"""Runs in `.venv-engine`: of the names on standard input, prints those that the installed packages do not have.

A line of input is a module, a class or nothing, a name, and the parameters it is called with: `{"module": ..., "owner": ..., "name": ...,
"parameters": [...]}`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

real_stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # SGLang prints


def problem(reference: dict[str, Any]) -> str | None:
    place = ".".join(filter(None, (reference["module"], reference["owner"], reference["name"])))
    holder = importlib.import_module(reference["module"])
    if reference["owner"]:
        holder = getattr(holder, reference["owner"], None)
        if holder is None:
            return place
    if not hasattr(holder, reference["name"]) and not _is_set_in_instances(holder, reference["name"]):
        return place
    if not reference["parameters"]:
        return None
    parameters = inspect.signature(getattr(holder, reference["name"])).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    missing = [name for name in reference["parameters"] if name not in parameters]
    return f"{place}({', '.join(missing)})" if missing else None


def _is_set_in_instances(holder: Any, name: str) -> bool:
    """Whether a class declares the field, or assigns it to `self`."""
    for base in getattr(holder, "__mro__", ())[:-1]:
        if name in vars(base).get("__annotations__", {}) or f"self.{name}" in _source(base):
            return True
    return False


def _source(base: type) -> str:
    try:
        return Path(inspect.getfile(base)).read_text(encoding="utf-8")
    except (TypeError, OSError, UnicodeDecodeError):  # compiled
        return ""


problems = [found for line in sys.stdin if (found := problem(json.loads(line)))]
real_stdout.write(json.dumps(problems))
real_stdout.flush()
