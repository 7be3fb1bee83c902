"""Runs in `.venv-engine`: imports PyTorch and SGLang once, then forks a process for each request, one per line of standard input.

`{"arguments": [...], "environment": {...}, "folder": str, "files": [stdin, stdout, stderr]}` starts Python with these arguments (a script, `-m`
or `-c`), as `python ARGUMENTS` would; the answer is `{"pid": int}`. `{"poll": pid}` is answered with `{"code": int | null}`, its exit code once
it has ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import runpy
import signal
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

AHEAD = ("sglang.launch_server", "sglang.srt.entrypoints.http_server", "sglang.srt.models.registry")
"""What the server, its scheduler and the tests' programs import (sglang 0.5.23)."""


CODES: dict[int, int] = {}
"""Exit codes of the forks that have ended, until they are asked for."""


def reap(*_signal: object) -> None:
    """Leave no zombie: who waits for a process that is not its own child waits until there is no such process."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            return
        CODES[ended] = os.waitstatus_to_exitcode(status)


def serve(requests: TextIO, answers: TextIO) -> dict[str, Any] | None:
    """Answer requests until there are no more; in a fork, return what it is to be."""
    signal.signal(signal.SIGCHLD, reap)
    for line in requests:
        request = json.loads(line)
        if "poll" in request:
            answer = {"code": CODES.pop(request["poll"], None)}
        else:
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return dict(request)
            answer = {"pid": child}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return None


def become(request: dict[str, Any]) -> None:
    """Take the environment, folder and files of a process that was just started."""
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    flags = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)
    for number, (path, flag) in enumerate(zip(request["files"], flags, strict=True)):
        file = os.open(path, flag, 0o644)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    sys.path[:0] = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    random.seed()  # SGLang draws its ports
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(arguments: list[str]) -> None:
    """Do what Python does with the arguments."""
    kind, *rest = arguments
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        code = compile(rest[0], "<string>", "exec")
        sys.modules["__main__"] = ModuleType("__main__")
        exec(code, vars(sys.modules["__main__"]))
    elif kind == "-m":
        sys.argv = rest
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(kind).parent))
        runpy.run_path(kind, run_name="__main__")


def main() -> None:
    """Import, say so, and serve."""
    requests = os.fdopen(os.dup(0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # SGLang prints
    sys.path.pop(0)  # this folder
    warnings.simplefilter("ignore")
    for name in AHEAD:
        importlib.import_module(name)
    importlib.import_module(
        "setproctitle"
    ).getproctitle()  # finds the place of titles before the environment, which it is found by, moves
    gc.collect()
    gc.freeze()  # the forks look for no garbage among it, and so copy none of its pages
    answers.write("{}\n")
    answers.flush()
    request = serve(requests, answers)
    if request is not None:
        requests.close()
        answers.close()
        become(request)
        run(request["arguments"])


if __name__ == "__main__":
    main()
