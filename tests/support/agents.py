"""Folders of agents, small ones whose packages need no index; and a stand-in for uv, which writes one package."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = "cdk-sglang-test-agent"
Synthesise = Callable[..., dict[str, dict[str, Any]]]
VISITS = "arn:aws:lambda:us-east-1:111122223333:function:visits"

NO_PACKAGES = "# --hash=sha256: of nothing: this agent needs the standard library alone\n"

_AARCH64 = 183
_STAND_IN = """\
#!{python}
import pathlib, sys
target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1])
for name, content in {files!r}.items():
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
"""


def agent_folder(folder: Path, *, lock: str = NO_PACKAGES) -> Path:
    """Write an agent that answers nothing, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text("ANSWER = 42\n")
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "v1.md").write_text("Be brief.\n")
    (folder / "evals").mkdir(exist_ok=True)
    (folder / "evals" / "first.json").write_text("{}")
    (folder / "requirements.lock").write_text(lock)
    return folder


def elf(*, machine: int = _AARCH64) -> bytes:
    """Return the beginning of an ELF library."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine) + bytes(44)


def stand_in_for_uv(folder: Path, *, machine: int = _AARCH64) -> Path:
    """Write a program that takes uv's place: it installs one package with a library and a script, and downloads nothing."""
    files = {
        "package/__init__.py": b"ONE = 1\n",
        "package/fast.so": elf(machine=machine),
        "package/__pycache__/x.pyc": b"x",
        "package-1.dist-info/RECORD": b"../../bin/opentelemetry-instrument,sha256=xyz,99\npackage/__init__.py,sha256=abc,7\n",
        "bin/opentelemetry-instrument": b"#!/home/builder/bin/python3\nprint('hello')\n",
    }
    path = folder / "stand-in-for-uv"
    path.write_text(_STAND_IN.format(python=sys.executable, files=files))
    path.chmod(0o755)
    return path


def content(folder: Path, **agent: Any) -> dict[str, Any]:
    """Return the content of an environment with an agent of that folder."""
    component = {
        "model": {"prefix": "weights/llama/"},
        "server": {"tool_call_parser": "llama3", "lora": {"max_rank": 16, "target_modules": ["q_proj"]}},
        "adapters": {"triage": {"key": "adapters/triage.tar.gz"}},
    }
    return {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "image": {"build": {"unpinned": "a test"}},
        "endpoints": {
            "chat": {
                "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
                "components": {"llama": component},
            }
        },
        "agent": {"enabled": True, "component": "chat/llama", "code": str(folder), **agent},
    }
