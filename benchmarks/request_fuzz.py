"""Random requests against a real copy: does any of them end it, stall its neighbours, or get a 5xx?

    .venv/bin/python benchmarks/request_fuzz.py [--count 50000] [--first 0] [--callers 4] [--no-lora] [--url URL]

The requests come from SGLang's own schema (tools/requests); the same numbers draw the same ones. The copy serves the tiny model
on this machine's CPU, with LoRA on. Beside the fuzzing callers, a neighbour asks an ordinary question again and again, and
`/ping` is asked every half second. With `--url`, a server that runs already is asked instead, such as an endpoint of the
embedded AWS: `http://127.0.0.1:4566/endpoints/NAME` sends all bodies to its `/invocations`.

Fails if a request had no answer, a 5xx, or an error in another shape than OpenAI's, if `/ping` was ever not 200, if a
neighbour was not answered, or if the scheduler is another one at the end. Requests that failed are written as lines for
tools/requests/seeds.jsonl, which every run sends first.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks.container_overhead import free_port
from localcloud.engine.recipe import engine_environment, engine_python
from tools.requests.run import HttpTarget, Tally, drawn, kept_seeds, seed_line
from tools.requests.strategies import Body

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
STARTUP_TIMEOUT_S = 240
_NEIGHBOUR = b'{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}'
_LORA = {
    "SM_SGLANG_ENABLE_LORA": "true",
    "SM_SGLANG_MAX_LORA_RANK": "8",
    "SM_SGLANG_LORA_TARGET_MODULES": "all",
}


@dataclass
class Watch:
    """What the neighbours saw.

    Attributes:
        pings: Number of answers of `/ping` by status.
        neighbours: Number of answers to the ordinary question by status.
        slowest_s: Longest time of an answer to it.
    """

    pings: Counter[int] = field(default_factory=Counter)
    neighbours: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0

    @property
    def well(self) -> bool:
        """Whether all were answered."""
        return set(self.pings) | set(self.neighbours) <= {200}


class Copy:
    """A copy of the container on this machine."""

    def __init__(self, model: Path, log: Path, *, lora: bool) -> None:
        self.port = free_port()
        environment = engine_environment(
            {
                **os.environ,
                "CDK_SGLANG_PYTHON": str(engine_python()),
                "CDK_SGLANG_MODEL_DIR": str(model),
                "CDK_SGLANG_HOST": "127.0.0.1",
                "CDK_SGLANG_PORT": str(self.port),
                "PYTHONWARNINGS": "ignore",
                "SM_SGLANG_DTYPE": "float32",
                **(_LORA if lora else {}),
            }
        )
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(ROOT / "container" / "serve"), "serve"], env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def wait(self) -> None:
        """Wait until `/ping` says 200."""
        began = time.monotonic()
        while _ping(self.port) != 200:
            if self._process.poll() is not None or time.monotonic() > began + STARTUP_TIMEOUT_S:
                raise SystemExit("the copy did not start")
            time.sleep(0.1)

    def scheduler(self) -> psutil.Process | None:
        """The process of SGLang's scheduler; None if it is gone."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                if "sglang::scheduler" in " ".join(child.cmdline()):
                    return child
        return None

    def stop(self) -> None:
        """Kill it and its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(self._process.pid).children(recursive=True), self._process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()


def _ping(port: int) -> int:
    target = HttpTarget(port, timeout_s=2)
    try:
        return target.get("/ping")
    except OSError:
        return 0
    finally:
        target.close()


@contextlib.contextmanager
def watching(port: int) -> Iterator[Watch]:
    """Ask `/ping` and an ordinary question again and again, meanwhile."""
    watch, over = Watch(), threading.Event()

    def ping() -> None:
        while not over.wait(0.5):
            watch.pings[_ping(port)] += 1

    def neighbour() -> None:
        target = HttpTarget(port, timeout_s=60)
        while not over.wait(0.2):
            began = time.monotonic()
            try:
                status = target(Body("/invocations", _NEIGHBOUR))[0]
            except OSError:
                status = 0
            watch.neighbours[status] += 1
            watch.slowest_s = max(watch.slowest_s, time.monotonic() - began)
        target.close()

    threads = [threading.Thread(target=work, daemon=True) for work in (ping, neighbour)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()


def send(bodies: Iterator[Body], port: int, *, prefix: str | None, callers: int) -> Tally:
    """Send requests from several callers, and stop when the copy is gone.

    Args:
        bodies: The requests.
        port: Port of the server.
        prefix: Path of an endpoint to whose /invocations all are sent. Default: each goes to its own path.
        callers: Number of callers.
    """
    tally, lock, gone = Tally(), threading.Lock(), threading.Event()

    def call() -> None:
        target = HttpTarget(port, timeout_s=60)
        while not gone.is_set():
            with lock:
                body = next(bodies, None)
            if body is None:
                break
            sent = body if prefix is None else Body(f"{prefix}/invocations", body.content)
            try:
                status, content = target(sent)
            except OSError as error:
                with lock:
                    tally.failures.append((body, f"no answer: {error}"))
                if prefix is None and _ping(port) == 0:
                    gone.set()
                continue
            with lock:
                tally.add(body, status, content)
        target.close()

    with ThreadPoolExecutor(callers) as pool:
        for done in [pool.submit(call) for _ in range(callers)]:
            done.result()
    return tally


def main() -> int:
    """Run; 1 if anything was wrong."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50_000, help="random requests")
    parser.add_argument("--first", type=int, default=0, help="number of the first; another one draws others")
    parser.add_argument("--callers", type=int, default=4, help="callers at once")
    parser.add_argument("--no-lora", action="store_true", help="start the copy without LoRA")
    parser.add_argument("--url", help="address of a server that runs already on this machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = None
        if options.url is None:
            make = [str(engine_python()), "-m", "localcloud.engine.tiny_model", folder]
            subprocess.run(make, cwd=ROOT, env=engine_environment(), check=True, capture_output=True)
            copy = Copy(Path(folder) / "base", Path(folder) / "log", lora=not options.no_lora)
        try:
            return _run(options, copy)
        finally:
            if copy is not None:
                copy.stop()


def _run(options: argparse.Namespace, copy: Copy | None) -> int:
    if copy is None:
        address, _, path = options.url.removeprefix("http://").partition("/")
        port, prefix = int(address.rpartition(":")[2]), f"/{path}".rstrip("/")
    else:
        copy.wait()
        port, prefix = copy.port, None
    scheduler = None if copy is None else copy.scheduler()
    bodies = itertools.chain(kept_seeds(), drawn(options.count, first=options.first))
    began = time.monotonic()
    with contextlib.nullcontext(Watch()) if copy is None else watching(port) as watch:
        tally = send(bodies, port, prefix=prefix, callers=options.callers)
    same = copy is None or copy.scheduler() == scheduler
    print(f"{tally} in {time.monotonic() - began:.0f} s")
    if copy is not None:
        print(f"/ping: {dict(watch.pings)}; a neighbour: {dict(watch.neighbours)}, slowest {watch.slowest_s:.1f} s")
        print("the scheduler is the same" if same else "THE SCHEDULER ENDED")
    for body, problem in tally.failures[:50]:
        print(f"{problem}\n  {seed_line(body)}")
    return 0 if not tally.failures and watch.well and same else 1


if __name__ == "__main__":
    sys.exit(main())
