"""The program `cdk-sglang`: the command that a client starts and waits for is loaded alone, every other one with all of them."""

from __future__ import annotations

import sys

from cdk_sglang.cli.running import run


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["mcp"]:
        from cdk_sglang.cli.mcp.command import app
    else:
        from cdk_sglang.cli.main import app
    run(app)


if __name__ == "__main__":
    main()
