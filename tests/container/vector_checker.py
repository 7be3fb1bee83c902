"""Runs in `.venv-engine`: SGLang's own parser and resolver, one request per line of standard input.

A request is `{"environment": {...}, "resolve": bool}`, with `"rules": false` to leave ours out and `"on_cpu": false` to leave out
those for a machine without a GPU; the answer is `{"arguments": [...]}` with `values`, or `{"refused": [...]}`.

`{"environment": {...}, "start": true}` runs the entry itself in a fork of this process, which saves it the imports; the answer is
`{"code": 2, "stderr": "..."}`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from typing import Any

real_stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # SGLang prints

from cdk_sglang_container import __main__ as entry
from cdk_sglang_container.arguments import RESERVED
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.rules import check_combination
from cdk_sglang_container.settings import Settings


def check(request: dict[str, Any]) -> dict[str, Any]:
    environment = request["environment"]
    try:
        arguments, values = entry.parse(environment, Settings.from_environment(environment))
        rules = request.get("rules", True)
        problems = check_combination(values, on_cpu=request.get("on_cpu", True)) if rules else []
        if problems:
            return {"refused": problems}
        if request.get("resolve"):
            entry._resolve(arguments)
    except RefusedError as refused:
        return {"refused": refused.problems}
    return {"arguments": arguments, "values": {key: repr(value) for key, value in values.items()}}


BEFORE = dict(os.environ)


def start(environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.dup2(stderr.fileno(), 2)
                os.environ.clear()
                os.environ.update(BEFORE | environment)
                code = entry.main()
            except BaseException:  # noqa: BLE001  as Python ends a process
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        stderr.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "stderr": stderr.read().decode()}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    if request.get("describe"):
        return describe()
    return start(request["environment"]) if request.get("start") else check(request)


def describe() -> dict[str, Any]:
    import argparse

    from cdk_sglang_container.flags import Flags
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    flags = {flag.dest: flag for flag in Flags.from_parser(parser)._by_option.values()}
    types = {action.dest: getattr(action.type, "__name__", None) for action in parser._actions}
    return {
        "owned": sorted(RESERVED),
        "flags": [
            {
                "dest": flag.dest,
                "options": flag.options,
                "arity": flag.arity.name,
                "choices": flag.choices,
                "type": types.get(flag.dest),
            }
            for flag in flags.values()
        ],
    }


for line in sys.stdin:
    real_stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    real_stdout.flush()
