"""Run a typer application as a program: user errors are lines on stderr, never a traceback."""

from __future__ import annotations

import contextvars
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import ConfigurationError

if TYPE_CHECKING:
    import typer

STOPPED: Final = 130
"""Exit code of a program that Ctrl-C has ended, as shells have it."""
_EXTRAS: Final = {"boto3": "client", "botocore": "client", "openai": "client", "duckdb": "bench"}
"""Extras of pyproject.toml by the packages that commands import from them."""


def run(app: typer.Typer) -> None:
    """Run the application; user errors are printed on stderr with exit code 2, never as a traceback.

    Args:
        app: The application.
    """
    _use_own_node()
    try:
        contextvars.copy_context().run(
            app
        )  # the options of a command apply to that command only, also when they are refused
    except ConfigurationError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        print(f"this command needs {package}; pip install 'cdk-sglang[{_EXTRAS[package]}]'", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:  # before or after a command: Typer handles those during a command
        print("\nstopped", file=sys.stderr)
        raise SystemExit(STOPPED) from None
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`): Python must not raise again while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _use_own_node() -> None:
    """Let jsii, which environments load, use the Node next to this Python: an older one of the system prints a box of warnings.

    The Makefile does the same for the commands of make.
    """
    node = Path(sys.prefix, "bin", "node")
    if node.exists():
        os.environ.setdefault("JSII_NODE", str(node))
