"""Import SGLang before there is a copy to start, and wait for what the copy's container gets: its environment and its folder.

`localcloud/aws/hosting/standby.py` is the other end. What comes after this module is a start like any other: Python goes on with the
entry of the container.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import sys

VARIABLE = "CDK_SGLANG_STANDBY"
_AHEAD = ("sglang.launch_server", "sglang.srt.entrypoints.http_server", "sglang.srt.models.registry")
"""What the server imports, and with the registry what its scheduler does (sglang 0.5.23)."""
_WAITS_S = 600.0
"""Seconds after which nobody will want this process any more: a deployment that starts no copy leaves none behind."""


def install() -> None:
    """Do nothing, unless the environment asks this process to stand by."""
    if os.environ.pop(VARIABLE, None) is None:
        return
    for name in _AHEAD:
        importlib.import_module(name)
    readable, _, _ = select.select([sys.stdin], [], [], _WAITS_S)
    line = sys.stdin.readline() if readable else ""
    if not line:  # its server has ended, or there was no copy
        os._exit(0)
    become(json.loads(line))


def become(copy: dict[str, object]) -> None:
    """Take a copy's environment and folder.

    Args:
        copy: `environment`, `folder`. What the container's command sets itself, the environment of this process, wins, as it does
            where the command is started with a copy's environment.
    """
    os.environ.update({**dict(copy["environment"]), **os.environ})  # type: ignore[call-overload]  # JSON
    os.chdir(str(copy["folder"]))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
