"""How long a client waits for `cdk-sglang mcp`: from the start of the process to its answer to `initialize`, and to the list of its tools.

Its baseline, in turns: a process that imports only the SDK, the lower bound for any server written with it; also measured is the same server
started with every command of the program. `python benchmarks/mcp_start.py [repetitions]`; exit code 1 when the start takes more than 1.5 times its
baseline, in wall time and in CPU time. The second that a start should take is printed, and depends on the machine.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
MAX_RATIO: Final = 1.5
TARGET_SECONDS: Final = 1.0
SDK: Final = [sys.executable, "-c", "import mcp.server.lowlevel"]
SERVER: Final = [sys.executable, "-m", "cdk_sglang.cli.entry", "mcp"]
WHOLE: Final = [sys.executable, "-c", "from cdk_sglang.cli.main import main; main()", "mcp"]
INITIALIZE: Final = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


def imports() -> tuple[float, float]:
    """Return wall and CPU seconds of a process that imports the SDK and ends."""
    before, begin = _children_cpu(), time.perf_counter()
    subprocess.run(SDK, env=_environment(), check=True, cwd=ROOT)
    return time.perf_counter() - begin, _children_cpu() - before


def start(command: list[str], *, list_tools: bool = True) -> tuple[float, float, float]:
    """Return wall seconds to the answer to `initialize` and to the list of tools, and the CPU seconds of the whole process."""
    before, begin = _children_cpu(), time.perf_counter()
    with subprocess.Popen(
        command, env=_environment(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}) + "\n"
        )
        process.stdin.flush()
        assert "result" in json.loads(process.stdout.readline())
        ready = listed = time.perf_counter() - begin
        if list_tools:
            for message in ({"method": "notifications/initialized"}, {"id": 2, "method": "tools/list"}):
                process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["result"]["tools"]
            listed = time.perf_counter() - begin
        process.stdin.close()
        process.wait(timeout=60)
    return ready, listed, _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}"}


def main(repetitions: int) -> int:
    """Print all sides; 1 when the bound is broken."""
    start(WHOLE)  # fills caches of bytecode
    sdk, server, listing, whole = [], [], [], []
    for _ in range(repetitions):
        sdk.append(imports())
        server.append(start(SERVER, list_tools=False))
        listing.append(start(SERVER))
        whole.append(start(WHOLE, list_tools=False))
    base_wall, base_cpu = (statistics.median(column) for column in zip(*sdk, strict=True))
    ready, _, cpu = (statistics.median(column) for column in zip(*server, strict=True))
    ratio = min(ready / base_wall, cpu / base_cpu)
    print(f"the SDK alone, imported:     {base_wall:.2f} s, CPU {base_cpu:.2f} s")
    print(f"ready:                       {ready:.2f} s, CPU {cpu:.2f} s")
    print(f"tools listed:                {statistics.median(one[1] for one in listing):.2f} s")
    print(f"ready, every command loaded: {statistics.median(one[0] for one in whole):.2f} s")
    print(f"a client waits {ready:.2f} s; on an idle machine that should be {TARGET_SECONDS:g} s or less")
    print(f"mcp_start: {ratio:.3f} of the SDK's own import (target <= {MAX_RATIO})")
    return 0 if ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
