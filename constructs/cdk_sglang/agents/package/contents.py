"""What goes into the zip, file by file: scripts that start on AgentCore, records without this machine's paths, arm64 binaries alone."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.agents.package.sources import AgentSources

_SHEBANG: Final = b"#!/usr/bin/env python3\n"
_SHELL_TRAMPOLINE: Final = re.compile(rb"\A#!/bin/sh\n'''exec' .*\n' '''\n")
"""What installers write where the path of the interpreter is too long for a shebang (pip's distlib, uv)."""
_INTERPRETER: Final = re.compile(rb"\A#![^\n]*python[^\n]*\n")
_SCRIPT_RECORD: Final = re.compile(rb"^((?:\.\./)*bin/[^,\r\n]+),[^\r\n]*", re.MULTILINE)

_ELF: Final = b"\x7fELF"
_AARCH64: Final = 183
"""EM_AARCH64 (System V ABI, e_machine)."""
_MACHINES: Final = {3: "x86", 40: "arm (32 bit)", 62: "x86_64", _AARCH64: "aarch64", 243: "riscv"}
_ELF_HEADER: Final = 20
_LIBRARY: Final = re.compile(r"\.(so|pyd|dylib|dll)(\.|$)")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of the zip.

    Attributes:
        name: Its path in the zip.
        content: Its bytes.
        is_program: Whether it may be executed.
    """

    name: str
    content: bytes
    is_program: bool


def entries(sources: AgentSources, packages: Path) -> Iterator[Entry]:
    """Yield the files of the zip: packages, and the agent's own files, which take precedence; sorted by name.

    Args:
        sources: The agent.
        packages: Folder into which its packages were installed.
    """
    places = {path.relative_to(packages).as_posix(): path for path in packages.rglob("*") if path.is_file()}
    places = {name: path for name, path in places.items() if "__pycache__" not in name and name != ".lock"}
    places |= {name.as_posix(): sources.folder / name for name in sources.files()}
    for name in sorted(places):
        content = places[name].read_bytes()
        is_program = bool(places[name].stat().st_mode & 0o100)
        if name.startswith("bin/"):
            content, is_program = portable_script(content), True
        elif name.endswith(".dist-info/RECORD"):
            content = _SCRIPT_RECORD.sub(rb"\1,,", content)
        yield Entry(name=name, content=content, is_program=is_program)


def portable_script(content: bytes) -> bytes:
    """Return a script that starts with the Python of the machine it runs on; other files stay as they are.

    Installers write the path of the building machine's interpreter, with which the runtime fails as "initialization time exceeded"
    (github.com/aws/bedrock-agentcore-starter-toolkit/issues/356).
    """
    if content.startswith(b"#!/bin/sh\n"):
        return _SHELL_TRAMPOLINE.sub(lambda _: _SHEBANG, content)
    return _INTERPRETER.sub(lambda _: _SHEBANG, content)


def binary_problem(entry: Entry) -> str | None:
    """Return why AgentCore cannot load a file; None if it can, or if it is not a binary."""
    if entry.content.startswith(_ELF):
        if len(entry.content) < _ELF_HEADER:
            return f"{entry.name} is a damaged binary"
        (machine,) = struct.unpack_from("<H", entry.content, 18)
        if machine != _AARCH64:
            return f"{entry.name} is for {_MACHINES.get(machine, f'machine {machine}')}, AgentCore runs aarch64"
        return None
    if _LIBRARY.search(Path(entry.name).name) and not entry.content.lstrip().startswith(
        (b"#", b"/*", b"INPUT", b"GROUP")
    ):
        return f"{entry.name} is not a Linux library"
    return None
