"""The command line's reference: every command and option of `cdk-sglang`, from its typer application."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import typer.main

from tools.docs.tables import cell, code, table

Command = Any
Parameter = Any
"""Objects of typer's own copy of click, whose types it does not export."""

_TYPES: Final = {str: "text", int: "integer", float: "number", Path: "path"}
_INTRODUCTION: Final = """---
hide: [navigation]
---

# Command line

Exit codes of every command: 0 for success, 1 for a failure or a negative answer, 2 for wrong usage or settings. Errors go to stderr, one line per problem. The commands that talk to AWS
need `pip install 'cdk-sglang[client]'` and your AWS credentials.
"""


def command_page(application: typer.Typer) -> str:
    """Return the page of an application: a section for every command, in the order of its help.

    Args:
        application: The typer application.
    """
    return "\n".join([_INTRODUCTION, *(_section(path, command) for path, command in commands(application))])


def commands(application: typer.Typer) -> Iterator[tuple[str, Command]]:
    """Yield every command with its full name, groups before their commands; hidden commands are left out."""
    yield from _below("cdk-sglang", typer.main.get_command(application))


def undescribed_options(application: typer.Typer) -> list[str]:
    """Return the commands without a help text, and `<command> <option>` of every parameter without one."""
    paths = []
    for path, command in commands(application):
        if not command.help:
            paths.append(path)
        paths += [f"{path} {_names(one)}" for one in _parameters(command) if not one.help]
    return paths


def _below(path: str, command: Command) -> Iterator[tuple[str, Command]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _below(f"{path} {name}", child)


def _parameters(command: Command) -> list[Parameter]:
    return [one for one in command.params if one.name != "help" and not one.hidden]


def _section(path: str, command: Command) -> str:
    level = "#" * (1 + len(path.split()))
    text = "\n\n".join(cell(part) for part in (command.help or "").split("\n\n"))
    parameters = _parameters(command)
    if not parameters:
        return f"{level} {path}\n\n{text}\n"
    kinds = get_type_hints(command.callback)
    rows = [[code(_names(one)), _type(one, kinds[one.name]), _default(one), cell(one.help or "")] for one in parameters]
    return f"{level} {path}\n\n{text}\n\n{table(('option', 'type', 'default', 'what it does'), rows)}"


def _names(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _type(parameter: Parameter, kind: Any) -> str:
    """Return a parameter's type as Markdown.

    Args:
        parameter: The parameter.
        kind: The annotation of the command's function, for example `list[Path] | None`.
    """
    if type(None) in get_args(kind):
        kind = next(choice for choice in get_args(kind) if choice is not type(None))
    if get_origin(kind) is list:
        return f"{_type(parameter, get_args(kind)[0])}, repeatable"
    if kind is bool:
        return "switch"
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        choices = tuple(member.value for member in kind)
    text = " or ".join(code(str(choice)) for choice in choices) or _TYPES[kind]
    text += "" if parameter.min is None else f", at least {parameter.min}"
    return text if parameter.max is None else f"{text}, at most {parameter.max}"


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "*required*"
    variable = f" (environment variable {code(str(parameter.envvar))})" if parameter.envvar else ""
    if isinstance(parameter.default, bool) or not isinstance(parameter.default, str | int | float | Path):
        return variable.strip()
    return code(str(parameter.default)) + variable
