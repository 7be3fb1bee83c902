"""The zip: the same bytes for the same files, and its size against AgentCore's limits."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdk_sglang.agents.package.contents import binary_problem
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.agents.package.contents import Entry

MAX_ZIP_MB: Final = 250
MAX_UNZIPPED_MB: Final = 750
"""Of a direct code deployment, as quoted in many places (github.com/awslabs/agentcore-samples, read 2026-11); AWS's page of quotas was not
read."""
_MB: Final = 10**6
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can store."""
_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip that was written.

    Attributes:
        path: Where it is.
        files: How many files it holds.
        binaries: How many of them are binaries.
        zip_bytes: Its size.
        unzipped_bytes: Size of what it holds.
    """

    path: Path
    files: int
    binaries: int
    zip_bytes: int
    unzipped_bytes: int

    def sizes(self) -> str:
        """Return the sizes against their limits, in one line."""
        return (
            f"{self.zip_bytes / _MB:.1f} of {MAX_ZIP_MB} MB zipped, {self.unzipped_bytes / _MB:.1f} of {MAX_UNZIPPED_MB} MB unzipped, "
            f"{self.files} files, {self.binaries} arm64 binaries"
        )


def write_archive(path: Path, files: Iterable[Entry]) -> Archive:
    """Write a zip with fixed times and modes.

    Args:
        path: The zip.
        files: Its entries, in the order of the zip.

    Raises:
        ConfigurationError: AgentCore would refuse it; every reason at once.
    """
    wrong: list[str] = []
    count = binaries = unzipped = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.name, _MOMENT)
            info.create_system = 3  # Unix, so that modes count
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if file.is_program else 0o100644) << 16
            archive.writestr(info, file.content)
            problem = binary_problem(file)
            wrong += [problem] if problem else []
            count, unzipped = count + 1, unzipped + len(file.content)
            binaries += file.content.startswith(b"\x7fELF")
    written = Archive(path=path, files=count, binaries=binaries, zip_bytes=path.stat().st_size, unzipped_bytes=unzipped)
    problems = [Problem("", f"{text}; use packages with wheels for aarch64 Linux") for text in wrong[:_SHOWN]]
    if len(wrong) > _SHOWN:
        problems.append(Problem("", f"and {len(wrong) - _SHOWN} more such files"))
    if written.zip_bytes > MAX_ZIP_MB * _MB or unzipped > MAX_UNZIPPED_MB * _MB:
        problems.append(Problem("", f"the zip is too large: {written.sizes()}; remove packages, or deploy a container"))
    if problems:
        raise ConfigurationError(problems)
    return written
