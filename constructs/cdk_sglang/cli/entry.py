"""The program `cdk-sglang`: the command that a client starts and waits for is loaded alone; for every other command, all are loaded."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final, NoReturn

_STOPPED: Final = 130
"""Exit code of a program that Ctrl-C has ended, as shells have it."""


def main() -> None:
    """Run the command; Ctrl-C ends it with one line, even while its modules are still being loaded."""
    signal.signal(signal.SIGINT, _stop)
    from cdk_sglang.cli.running import run

    if sys.argv[1:2] == ["mcp"]:
        from cdk_sglang.cli.mcp.command import app
    else:
        from cdk_sglang.cli.main import app
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(app)


def _stop(*_: object) -> NoReturn:
    """End the program at once: nothing has begun, and an exception would be a traceback through whatever is being loaded."""
    os.write(2, b"\nstopped\n")
    os._exit(_STOPPED)


if __name__ == "__main__":
    main()
