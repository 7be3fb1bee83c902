"""Copies of the container on this machine, with and without a draft, and streamed answers of theirs."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from localcloud.engine.recipe import ROOT, engine_environment, engine_python

AHEAD = 3
_STARTS_S = 600.0
_ANSWERS_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One streamed answer.

    Attributes:
        tokens: Its tokens.
        first_s: Seconds to the first part.
        total_s: Seconds to the last.
        verified: Passes of the base that verified a draft; 0 without one.
    """

    tokens: list[int]
    first_s: float
    total_s: float
    verified: int


@dataclass(frozen=True)
class Copy:
    """A container copy that serves.

    Attributes:
        port: Port of its server.
        pid: Id of its first process.
    """

    port: int
    pid: int

    def cpu_s(self) -> float:
        """CPU time so far of the scheduler, the process whose one thread computes every token."""
        children = psutil.Process(self.pid).children(recursive=True)
        return sum(sum(child.cpu_times()[:2]) for child in children if "scheduler" in "".join(child.cmdline()))

    def request(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """Send a request; the caller reads the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWERS_S)
        connection.request(method, path, json.dumps(body), {"content-type": "application/json"})
        return connection.getresponse()

    def forget(self) -> None:
        """Empty the cache of prefixes."""
        self.request("POST", "/flush_cache").read()


@contextlib.contextmanager
def start(model: Path, side: str, algorithm: str) -> Iterator[Copy]:
    """Start a copy, and kill it afterwards.

    Args:
        model: Folder of the model, with `draft/` unless the side is `none`.
        side: `none`, `random` or `trained`.
        algorithm: EAGLE or EAGLE3.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    settings = {
        "CDK_SGLANG_PYTHON": str(engine_python()),
        "CDK_SGLANG_MODEL_DIR": str(model),
        "CDK_SGLANG_ADMIN_ROUTES": "open",  # for /flush_cache
        "CDK_SGLANG_HOST": "127.0.0.1",
        "CDK_SGLANG_PORT": str(port),
        "PYTHONPATH": str(ROOT / "localcloud/engine/startup"),
        "PYTHONWARNINGS": "ignore",
        "TRITON_INTERPRET": "1",
        "OMP_NUM_THREADS": "1",  # three copies on few CPUs: threads that wait for each other would be what is measured
        "SM_SGLANG_DTYPE": "float32",
        "SM_SGLANG_SLEEP_ON_IDLE": "true",
        "SM_SGLANG_MAX_RUNNING_REQUESTS": "8",  # SGLang's own default differs with a draft
    }
    if side != "none":
        settings |= {
            "SM_SGLANG_SPECULATIVE_ALGORITHM": algorithm,
            "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH": str(model / "draft"),
            "SM_SGLANG_SPECULATIVE_NUM_STEPS": str(AHEAD),
            "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "1",
            "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": str(AHEAD + 1),
        }
    log = model / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(ROOT / "container" / "serve"), "serve"],
            env=engine_environment() | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        copy = Copy(port, process.pid)
        _wait(copy, process, log)
        yield copy
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(copy: Copy, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _STARTS_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if copy.request("GET", "/ping").status == http.HTTPStatus.OK:
                return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise SystemExit(f"the engine did not start: {log.read_text(errors='replace')[-2000:]}")


def answer(copy: Copy, text: str, tokens: int, *, to_the_end: bool) -> Answer:
    """Ask for a greedy continuation, as a stream.

    Args:
        copy: The copy to ask.
        text: Prompt.
        tokens: Largest length of the answer.
        to_the_end: Whether an answer that ends earlier goes on: one of random weights may end anywhere.
    """
    sampling = {"temperature": 0, "max_new_tokens": tokens, "ignore_eos": to_the_end}
    began = time.perf_counter()
    response = copy.request("POST", "/generate", {"text": text, "sampling_params": sampling, "stream": True})
    first, last = None, b"{}"
    for line in response:
        if line.startswith(b"data: {"):
            first = first or time.perf_counter() - began
            last = line.removeprefix(b"data: ")
    content: dict[str, Any] = json.loads(last)
    if first is None or "meta_info" not in content:
        raise SystemExit(f"no answer: {content}")
    return Answer(
        tokens=content["output_ids"],
        first_s=first,
        total_s=time.perf_counter() - began,
        verified=int(content["meta_info"].get("spec_verify_ct") or 0),
    )
