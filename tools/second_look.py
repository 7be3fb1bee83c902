"""`make test` with a second look: tests that failed in the crowd run once more, alone, and have the last word.

    python -m tools.second_look [pytest's options]

For `.ci/run`. Tests start engines, browsers and clouds side by side, and a machine that stalls for seconds fails one of thousands. The second
look is for that alone: failures in more than three files, tests that were not collected, and runs that ended early are final. What passes
only alone is printed by name at the end: such a test (or what it tests) is to be fixed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FILES_MAX = 3
_RECORD = Path(".pytest_cache", "v", "cache", "lastfailed")


def failed_tests(record: Path = _RECORD) -> list[str]:
    """Node ids of the tests that failed in the run before, as pytest recorded them."""
    return sorted(json.loads(record.read_text())) if record.exists() else []


def deserves_second_look(status: int, failed: list[str]) -> bool:
    """Whether the run was whole, and its failures few: a node id without `::` is a file that could not be collected."""
    files = {test.partition("::")[0] for test in failed}
    return (
        status == pytest.ExitCode.TESTS_FAILED and 0 < len(files) <= FILES_MAX and all("::" in test for test in failed)
    )


def main(options: list[str]) -> int:
    """Run the tests, then those that failed alone if `deserves_second_look`; returns pytest's status of the last run."""
    _RECORD.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest"]
    status = subprocess.run([*command, *options], check=False).returncode
    failed = failed_tests()
    if not deserves_second_look(status, failed):
        return status
    print(f"\nsecond look: {len(failed)} tests failed beside others; they run again, alone", flush=True)
    status = subprocess.run([*command, "--last-failed", "--last-failed-no-failures=none"], check=False).returncode
    if status == pytest.ExitCode.OK:
        print("\nsecond look: passed alone, and failed among others; to be fixed:", *failed, sep="\n  ", flush=True)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
