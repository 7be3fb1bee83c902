"""Synthesise environments as a user does, with the CDK CLI, without an AWS account; twice, to compare the outputs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.environments.location import Location, locate
from tools.check.commands import run

_AT_ONCE: Final = 2
"""Syntheses at once. A synth uses one core (node) and half of another (Python)."""

_COMMAND: Final = ("cdk", "synth", "--quiet", "--no-notices", "--no-lookups")
_TIMEOUT_SECONDS: Final = 300
_OUTPUT_LINES: Final = 40

_FIRST: Final = {"PYTHONHASHSEED": "0", "TZ": "UTC"}
_SECOND: Final = {"PYTHONHASHSEED": "4294967295", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}

VALIDATION_REPORT: Final = "validation-report.json"

_TIMINGS: Final = "performance-counters.json"
"""File of durations, which CDK writes after a slow synth."""

_KERNEL_FOLDER: Final = re.compile(rb"[^\s\"]*/(?:jsii-kernel-|tmp)\w+/(?=node_modules/|lib/program\.js)")
"""jsii unpacks its libraries into fresh temporary folders, whose names CDK writes into the stack traces of *.metadata.json."""


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Result of one environment's synth.

    Attributes:
        environment: Name of the environment.
        file: Its file.
        folder: Folder of its cloud assembly.
        took_seconds: Duration.
        exit_status: Exit status of the CDK CLI.
        output: What it wrote.
    """

    environment: str
    file: str
    folder: Path
    took_seconds: float
    exit_status: int
    output: str

    def problems(self) -> list[str]:
        """Return the last output of the CDK CLI if it failed."""
        if self.exit_status == 0:
            return []
        lines = [line for line in self.output.splitlines() if line.strip()][-_OUTPUT_LINES:]
        command = f"cdk synth -c env={self.environment}"
        return [f"{self.file}: `{command}` exits {self.exit_status}:", *lines]


def synthesise(environments: Sequence[str | Location], into: Path, *, again: bool = False) -> list[Synthesis]:
    """Synthesise environments, two at once.

    Args:
        environments: Names of the repository's environments, or places of any.
        into: Folder of the output folders.
        again: Whether to use another hash seed, time zone and locale, to compare with a first synth.
    """
    places = [one if isinstance(one, Location) else locate(one, option="env") for one in environments]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda place: _synthesise(place, into / place.name, _SECOND if again else _FIRST), places))


def _synthesise(place: Location, folder: Path, variables: dict[str, str]) -> Synthesis:
    start = time.monotonic()
    context_value = str(place.file.absolute()) if place.is_path else place.name
    status, output = run(
        [*_COMMAND, "--context", f"env={context_value}", "--output", str(folder)],
        timeout_seconds=_TIMEOUT_SECONDS,
        variables={**_without_aws(), **variables},
    )
    return Synthesis(
        environment=place.name,
        file=str(place.file),
        folder=folder,
        took_seconds=time.monotonic() - start,
        exit_status=status,
        output=output,
    )


def _without_aws() -> dict[str, str]:
    """Return this process's variables without those of AWS: templates must not depend on the user's account."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_DEFAULT_"))}
    return {
        **variables,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def differences(first: Path, second: Path) -> list[str]:
    """Return the files that differ, byte for byte, between two cloud assemblies.

    Durations of the synth and the names of jsii's temporary folders are not compared.
    """
    names = {
        str(file.relative_to(folder))
        for folder in (first, second)
        for file in folder.rglob("*")
        if file.is_file() and file.name != _TIMINGS
    }
    problems = []
    for name in sorted(names):
        missing = [folder for folder in (first, second) if not (folder / name).is_file()]
        if missing:
            problems.append(
                f"{name}: only in one of two synths; synth must not depend on hash order, clock or time zone"
            )
        elif _content(first / name) != _content(second / name):
            line = _first_difference(_content(first / name), _content(second / name))
            problems.append(
                f"{name}: differs between two synths at {line}; find what depends on hash order, clock or time zone"
            )
    return problems


def _content(file: Path) -> bytes:
    return _KERNEL_FOLDER.sub(b"jsii-kernel", file.read_bytes())


def _first_difference(first: bytes, second: bytes) -> str:
    before, after = first.splitlines(), second.splitlines()
    for number, (one, other) in enumerate(zip(before, after, strict=False), start=1):
        if one != other:
            return f"line {number}: {_excerpt(one)} / {_excerpt(other)}"
    return f"line {min(len(before), len(after)) + 1}: one of them ends"


def _excerpt(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:120]
