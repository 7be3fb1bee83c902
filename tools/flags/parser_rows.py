"""Print the options of the SGLang that is first on the path as JSON; run with the interpreter of `.venv-engine`.

The parser is SGLang's own (`ServerArgs.add_cli_args`). Nothing of SGLang is served, so releases whose pinned packages differ from
those of `.venv-engine` can be read too; what stands in their way at import is set aside here.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import sys
from typing import Any


def rows_of(parser: argparse.ArgumentParser) -> list[dict[str, Any]]:
    """Return one row for each option, in the parser's order; a key without a value is left out."""
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        row = {
            "flags": list(action.option_strings),
            "dest": action.dest,
            "kind": type(action).__name__.lstrip("_"),
            "type": getattr(action.type, "__name__", None),
            "nargs": action.nargs or None,
            "default": action.default,
            "choices": _choices(action.choices),
        }
        rows.append({name: value for name, value in row.items() if value is not None})
    return rows


def _choices(choices: Any) -> list[Any] | None:
    if choices is None:
        return None
    return sorted(choices) if isinstance(choices, set | frozenset) else list(choices)


def _set_aside_what_hinders() -> None:
    """Hide platform plug-ins, which are made for one release, and let SGLang register models that transformers knows by now."""
    entry_points = importlib.metadata.entry_points

    def without_plug_ins(**selection: Any) -> Any:
        found = entry_points(**selection)
        return [] if str(selection.get("group", "")).startswith("sglang") else found

    importlib.metadata.entry_points = without_plug_ins
    mapping: Any = importlib.import_module("transformers.models.auto.configuration_auto")._LazyConfigMapping
    register = mapping.register
    mapping.register = lambda self, key, value, exist_ok=False: register(self, key, value, exist_ok=True)  # noqa: ARG005  the signature is transformers'


def main() -> None:
    """Print the rows."""
    _set_aside_what_hinders()
    arguments: Any = importlib.import_module("sglang.srt.server_args").ServerArgs
    parser = argparse.ArgumentParser()
    arguments.add_cli_args(parser)
    json.dump(rows_of(parser), sys.stdout)


if __name__ == "__main__":
    main()
