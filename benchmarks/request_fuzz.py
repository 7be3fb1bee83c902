"""Random requests against real copies: does any of them end one, stall its neighbours, or get a 5xx?

    .venv/bin/python benchmarks/request_fuzz.py [--count 50000] [--first 0] [--callers 4] [--place lora]

The requests come from SGLang's own schema (tools/requests); the same numbers draw the same ones. Three places serve the tiny
model on this machine's CPU, one after another:

    lora      a copy of the container with LoRA on and an adapter loaded, which half of the requests ask for; all requests
    engine    a copy without LoRA; a tenth as many, others
    endpoint  a component of the embedded AWS and an adapter component, asked by InvokeEndpoint and as response streams; a tenth

Beside the fuzzing callers, a neighbour asks an ordinary question again and again, and `/ping` is asked every half second; of the
component, whether its copy is in service.

Fails if a request had no answer, a 5xx, or an error in another shape than OpenAI's, if `/ping` was ever not 200, if a
neighbour was not answered, or if the scheduler is another one at the end. Requests that failed are written as lines for
tools/requests/seeds.jsonl, which every run sends first. Ctrl-C ends a place and prints its figures so far.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

from fuzz_places import Place, opened

from tools.requests.run import Tally, drawn, kept_seeds, seed_line
from tools.requests.strategies import INVOKED, Body

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARES = {"lora": 1.0, "engine": 0.1, "endpoint": 0.1}
"""Part of the requests that each place gets, in their order."""

_PROGRESS = 5_000
_NEIGHBOUR = Body("/invocations", b'{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}')


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


@contextlib.contextmanager
def watching(place: Place) -> Iterator[Watch]:
    """Ask `/ping` and an ordinary question again and again, meanwhile."""
    watch, over = Watch(), threading.Event()

    def ping() -> None:
        while not over.wait(0.5):
            watch.pings[place.ping()] += 1

    def neighbour() -> None:
        target = place.target(0)
        while not over.wait(0.2):
            began = time.monotonic()
            try:
                status = target(_NEIGHBOUR)[0]
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


def send(bodies: Iterator[Body], place: Place, *, callers: int, over: threading.Event) -> Tally:
    """Send requests from several callers, and stop when the place is gone.

    Args:
        bodies: The requests.
        place: Where they go.
        callers: Number of callers.
        over: Set, it ends the callers; they set it when the place is gone.
    """
    tally, lock, began = Tally(), threading.Lock(), time.monotonic()

    def call(caller: int) -> None:
        target = place.target(caller)
        while not over.is_set():
            with lock:
                body = next(bodies, None)
            if body is None:
                break
            try:
                status, content = target(body)
            except OSError as error:
                with lock:
                    tally.failures.append((body, f"no answer: {error}"))
                if place.ping() == 0:
                    over.set()
                continue
            with lock:
                tally.add(body, status, content)
                if tally.statuses.total() % _PROGRESS == 0:
                    print(f"  {tally} in {time.monotonic() - began:.0f} s", flush=True)
        target.close()

    with ThreadPoolExecutor(callers) as pool:
        for done in [pool.submit(call, caller) for caller in range(callers)]:
            done.result()
    return tally


def main() -> int:
    """Run; 1 if anything was wrong."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--count", type=int, default=50_000, help="random requests to a copy with LoRA; a tenth to others"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first; another one draws others")
    parser.add_argument("--callers", type=int, default=4, help="callers at once")
    parser.add_argument("--place", choices=SHARES, action="append", help="one place alone, with all requests")
    options = parser.parse_args()
    shares = dict.fromkeys(options.place, 1.0) if options.place else SHARES
    first, good = options.first, True
    for name, share in shares.items():
        count = int(options.count * share)
        with opened(name) as place:
            good &= _run(name, place, count=count, first=first, callers=options.callers)
        first += count
    return 0 if good else 1


def _run(name: str, place: Place, *, count: int, first: int, callers: int) -> bool:
    """Send requests to a place, print what came of them, and return whether all was well."""
    schedulers, over = place.schedulers(), threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: over.set())
    paths = INVOKED if name == "endpoint" else ()  # SageMaker sends all to one path
    seeds = (body for body in kept_seeds() if not paths or body.path in paths)
    bodies = itertools.chain(seeds, drawn(count, first=first, paths=paths, adapters=place.adapters))
    began = time.monotonic()
    with watching(place) as watch:
        tally = send(bodies, place, callers=callers, over=over)
    took_s = time.monotonic() - began
    signal.signal(signal.SIGINT, before)
    same = place.schedulers() == schedulers
    print(f"{name}: {tally} in {took_s:.0f} s, {tally.statuses.total() / took_s:.0f} a second")
    print(f"  /ping: {dict(watch.pings)}; a neighbour: {dict(watch.neighbours)}, slowest {watch.slowest_s:.1f} s")
    print("  the scheduler is the same" if same and schedulers else "  THE SCHEDULER ENDED", flush=True)
    for body, problem in tally.failures[:50]:
        print(f"{problem}\n  {seed_line(body)}")
    return not tally.failures and watch.well and same


if __name__ == "__main__":
    sys.exit(main())
