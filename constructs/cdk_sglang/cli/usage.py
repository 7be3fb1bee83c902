"""Usage errors as one line on stderr, at any width: no box, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

_USAGE_ERROR: Final[type[Any]] = typer.BadParameter.__bases__[0]
_COMMAND_LINE_ERROR: Final[type[Any]] = _USAGE_ERROR.__bases__[0]
"""Click's UsageError and ClickException: Typer has included its own Click since 0.21, and used the installed one before."""
_STOPPED: Final = 130
"""Exit code that Typer gives to a command that Ctrl-C has ended, as shells have it."""
_WORDS: Final = {
    "Value error, ": "",
    ". Did you mean": "; did you mean",
    "Input should be a valid integer, unable to parse string as an integer": "a whole number is needed",
    "Input should be a valid number, unable to parse string as a number": "a number is needed",
    "Input should be": "must be",
}
"""Messages of pydantic, with which Typer checks values, and this program's replacements."""


class OneLineErrors(TyperGroup):
    """A group of commands whose usage errors are one line: the command, what is wrong, and where its help is."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command as Typer does, and print its usage errors in one line, with exit code 2.

        Args:
            args: Command line; that of the process by default.
            prog_name: Name of the program; `cdk-sglang` by default, however Python was told to run it.
            complete_var: Environment variable of shell completion.
            standalone_mode: Whether the process ends with the command.
            windows_expand_args: Whether patterns are expanded on Windows.
            **extra: Options of the context.
        """
        try:
            result = super().main(args, prog_name or "cdk-sglang", complete_var, False, windows_expand_args, **extra)
        except _COMMAND_LINE_ERROR as error:
            if not standalone_mode:
                raise
            if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its message is its help
                error.show()
            else:
                print(usage_line(error, sys.argv[1:] if args is None else args), file=sys.stderr)
            sys.exit(error.exit_code)
        except typer.Abort:
            if not standalone_mode:
                raise
            print("stopped", file=sys.stderr)
            sys.exit(1)
        if standalone_mode:
            if result == _STOPPED:  # Typer has ended the line
                print("stopped", file=sys.stderr)
            sys.exit(result if isinstance(result, int) else 0)
        return result


def usage_line(error: Any, words: Sequence[str]) -> str:
    """Return a usage error as one line.

    Args:
        error: The error.
        words: The command line.
    """
    text = " ".join(str(error.format_message()).split()).rstrip(".?").removeprefix("Invalid value for ")
    for phrase, replacement in _WORDS.items():
        text = text.replace(phrase, replacement)
    parameter, context = getattr(error, "param", None), getattr(error, "ctx", None)
    value = None if parameter is None else _value_of(getattr(parameter, "opts", ()), words)
    if value is not None and value not in text:
        text = f"{text}, got {value!r}"
    text = f"{text[:1].lower()}{text[1:]}"
    return text if context is None else f"{context.command_path}: {text}; see {context.command_path} --help"


def _value_of(options: Sequence[str], words: Sequence[str]) -> str | None:
    """Return what the command line gives an option; None if that is not clear."""
    for option in options:
        for place, word in enumerate(words):
            if word == option and place + 1 < len(words):
                return words[place + 1]
            if option.startswith("--") and word.startswith(f"{option}="):
                return word.removeprefix(f"{option}=")
    return None
