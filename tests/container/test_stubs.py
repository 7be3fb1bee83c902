"""The types that the container is checked against say what SGLang, FastAPI and AWS's package really have."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_server import ROOT

from tests.support import engine_forks

STUBS = ROOT / "tools" / "stubs"

pytestmark = pytest.mark.engine


def _public(name: str) -> bool:
    """Return whether the package has the name too: classes of the stubs alone begin with an underscore."""
    return not name.startswith("_") or name in {"__init__", "__version__", "_dispatch_to_scheduler"}


def _names(body: list[ast.stmt], module: str, owner: str | None = None) -> Iterator[dict[str, Any]]:
    for statement in body:
        parameters: list[str] = []
        match statement:
            case ast.ClassDef(name=name):
                if _public(name):
                    yield from _names(statement.body, module, name)
            case ast.FunctionDef(name=name, args=args) | ast.AsyncFunctionDef(name=name, args=args):
                parameters = [each.arg for each in (*args.args, *args.kwonlyargs) if each.arg not in {"self", "cls"}]
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case _:
                continue
        if _public(name):
            yield {"module": module, "owner": owner, "name": name, "parameters": parameters}


def _all_names() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in sorted(STUBS.rglob("*.pyi")):
        module = ".".join(file.relative_to(STUBS).with_suffix("").parts).removesuffix(".__init__")
        found += _names(ast.parse(file.read_text(encoding="utf-8")).body, module)
    return found


def _missing(names: list[dict[str, Any]]) -> list[str]:
    done = engine_forks.run(
        [str(Path(__file__).with_name("stub_checker.py"))],
        environment={**os.environ, "PYTHONPATH": ""},
        stdin_text="\n".join(map(json.dumps, names)),
    )
    assert done.returncode == 0, done.stderr
    missing: list[str] = json.loads(done.stdout)
    return missing


def test_every_name_in_the_stubs_is_in_the_installed_packages() -> None:
    names = _all_names()
    assert len(names) > 90
    planted = [
        {"module": "sglang.srt.server_args", "owner": "ServerArgs", "name": "no_such_field", "parameters": []},
        {"module": "sglang.srt.server_args", "owner": None, "name": "prepare_server_args", "parameters": ["arguments"]},
    ]
    assert _missing([*names, *planted]) == [
        "sglang.srt.server_args.ServerArgs.no_such_field",
        "sglang.srt.server_args.prepare_server_args(arguments)",
    ]
