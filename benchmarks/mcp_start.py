"""How long a client waits for `cdk-sglang mcp`: from the start of the process to its answer to `initialize`, and to the list of its tools.

Beside it, in turns: a process that imports the SDK alone, which no server written with it goes below, and the same server started with every
command of the program. `python benchmarks/mcp_start.py [repetitions]`; the bound is printed, and exit code 1 when the median breaks it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
MAX_SECONDS: Final = 1.0
SDK: Final = [sys.executable, "-c", "import mcp.server.lowlevel"]
SERVER: Final = [sys.executable, "-m", "cdk_sglang.cli.entry", "mcp"]
WHOLE: Final = [sys.executable, "-c", "from cdk_sglang.cli.main import main; main()", "mcp"]
INITIALIZE: Final = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


def imports() -> float:
    """Return the seconds in which a process imports the SDK and ends."""
    begin = time.perf_counter()
    subprocess.run(SDK, env=_environment(), check=True, cwd=ROOT)
    return time.perf_counter() - begin


def start(command: list[str]) -> tuple[float, float]:
    """Return the seconds to the answer to `initialize`, and to the list of tools."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, env=_environment(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def send(method: str, **more: object) -> None:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", "method": method, **more}) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]

        send("initialize", id=1, params=INITIALIZE)
        assert "result" in json.loads(process.stdout.readline())
        ready = time.perf_counter() - begin
        send("notifications/initialized")
        send("tools/list", id=2)
        assert json.loads(process.stdout.readline())["result"]["tools"]
        listed = time.perf_counter() - begin
        process.stdin.close()
        process.wait(timeout=30)
    return ready, listed


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}"}


def main(repetitions: int) -> int:
    """Print all sides; 1 when the bound is broken."""
    start(WHOLE)  # fills caches of bytecode
    sdk, server, whole = [], [], []
    for _ in range(repetitions):
        sdk.append(imports())
        server.append(start(SERVER))
        whole.append(start(WHOLE)[0])
    ready, listed = (statistics.median(column) for column in zip(*server, strict=True))
    print(f"the SDK alone, imported: {statistics.median(sdk):.2f} s")
    print(
        f"cdk-sglang mcp: ready {ready:.2f} s, tools listed {listed:.2f} s (least {min(one for one, _ in server):.2f} s)"
    )
    print(f"the same with every command loaded: ready {statistics.median(whole):.2f} s")
    print(f"mcp_start: {ready:.2f} s to the answer to initialize (target <= {MAX_SECONDS:g} s)")
    return 0 if ready <= MAX_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
