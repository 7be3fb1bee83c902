"""A terminal: programs run in a pseudo-terminal, and somebody answers what they ask."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
Answer = Callable[["re.Match[str]"], str]
"""From what a program has said to what is typed; it may also do something in another terminal meanwhile."""


@dataclass
class Terminal:
    """Runs shell commands in one folder, as a person does.

    Attributes:
        folder: Working folder.
        environment: The whole environment of the programs.
        columns: Width.
        limit_s: Seconds after which a command counts as hanging.
    """

    folder: Path
    environment: Mapping[str, str]
    columns: int = 140
    limit_s: float = 900
    exports: list[str] = field(default_factory=list)

    def run(self, command: str, answers: Mapping[str, Answer] | None = None) -> tuple[int, str]:
        """Run a command as it is written; return its exit code and what stood on the screen, without colours.

        A line that begins with `export ` holds for the commands after it, too.

        Args:
            command: Shell command.
            answers: What is typed when the output matches a pattern, once for each match.
        """
        if command.startswith("export "):
            self.exports.append(command)
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, self.columns, 0, 0))
        shell = subprocess.Popen(
            ["bash", "-c", "\n".join([*self.exports, command])],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        try:
            return self._follow(shell, master, dict(answers or {}))
        finally:
            os.close(master)
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()

    def _follow(self, shell: subprocess.Popen[bytes], master: int, answers: dict[str, Answer]) -> tuple[int, str]:
        raw, match_counts = b"", dict.fromkeys(answers, 0)
        deadline = time.monotonic() + self.limit_s
        while True:
            screen = _CODES.sub("", raw.decode(errors="replace")).replace("\r", "")
            assert time.monotonic() < deadline, f"no end after {self.limit_s} s:\n{screen[-3000:]}"
            for pattern, answer in answers.items():
                for match in list(re.finditer(pattern, screen))[match_counts[pattern] :]:
                    match_counts[pattern] += 1
                    os.write(master, answer(match).encode())
            if not select.select([master], [], [], 0.2)[0]:
                if shell.poll() is not None:
                    return shell.returncode, screen
                continue
            try:
                piece = os.read(master, 65536)
            except OSError:  # Linux says so when the last program has closed its side
                piece = b""
            raw += piece
            if not piece:
                return shell.wait(timeout=30), _CODES.sub("", raw.decode(errors="replace")).replace("\r", "")
