"""Write the options of releases of SGLang into the library's data: `python -m tools.flags 0.5.20`.

Each release's wheel comes from PyPI and is unpacked into a temporary folder; its own argument parser is read there with the packages
of `.venv-engine` (`make engine`). The newest known release is written whole, any other as what it differs by.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from cdk_sglang.engine.releases import KNOWN_RELEASES, SGLANG_VERSION, data_file
from localcloud.engine.recipe import EngineMissingError, engine_python
from tools.flags.differences import differences, text_of

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "constructs" / "cdk_sglang" / "engine" / "data"

_EXIT_USAGE: Final = 2
_KEYS: Final = (
    "flags, destination, argparse action, value type, number of values, default, choices. Absent keys: no value."
)


def read(release: str) -> list[dict[str, Any]]:
    """Return the options of a release's parser.

    Args:
        release: Such as `0.5.20`.

    Raises:
        EngineMissingError: `.venv-engine` is not there.
        subprocess.CalledProcessError: PyPI has no such wheel, or the parser cannot be imported; both say why on stderr.
    """
    python = engine_python()
    with tempfile.TemporaryDirectory() as folder:
        download = ["download", f"sglang=={release}", "--no-deps", "--only-binary=:all:", "--quiet", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        unpacked = Path(folder) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        # Without a GPU and without a plug-in SGLang takes itself for a CPU build, which has the same options.
        environment = {**os.environ, "PYTHONPATH": str(unpacked), "SGLANG_USE_CPU_ENGINE": "1", "HF_HUB_OFFLINE": "1"}
        command = [str(python), "-W", "ignore", str(Path(__file__).with_name("parser_rows.py"))]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def content_of(release: str, rows: list[dict[str, Any]], *, day: str) -> dict[str, Any]:
    """Return what the library's data file of a release holds.

    Args:
        release: Such as `0.5.20`.
        rows: Options of its parser.
        day: When they were read.
    """
    wheel = f"PyPI wheel sglang {release}, sglang.srt.server_args.ServerArgs.add_cli_args"
    if release == SGLANG_VERSION:
        return {
            "source": f"Options of the argument parser of SGLang {release} ({wheel}), read on {day}: {_KEYS}",
            "options": rows,
        }
    base = json.loads((DATA / data_file(SGLANG_VERSION)).read_text(encoding="utf-8"))["options"]
    return {
        "source": f"What the argument parser of SGLang {release} ({wheel}) differs by from that of {SGLANG_VERSION}, read on {day}: "
        f"options it lacks, options with other values (null: none) or choices, and options it has more. Keys: {_KEYS}",
        **differences(rows, base),
    }


def main(releases: list[str]) -> int:
    """Write the data of each release; exit code."""
    unknown = [release for release in releases if release not in KNOWN_RELEASES]
    if unknown or not releases:
        known = ", ".join(KNOWN_RELEASES)
        print(
            f"python -m tools.flags RELEASE...: got {' '.join(unknown) or 'none'}; use {known}, or add it to KNOWN_RELEASES",
            file=sys.stderr,
        )
        return _EXIT_USAGE
    # Differences are written against the newest one's file.
    for release in sorted(releases, key=lambda name: name != SGLANG_VERSION):
        try:
            rows = read(release)
        except EngineMissingError as error:
            print(error, file=sys.stderr)
            return 1
        target = DATA / data_file(release)
        day = dt.datetime.now(tz=dt.UTC).date().isoformat()
        target.write_text(text_of(content_of(release, rows, day=day)), encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}: {len(rows)} options")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
