"""Run all checks at once: none waits for another, and an exception becomes the finding of its own check."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import CouldNotCheckError, code_of, message_of
from cdk_sglang.cli.doctor.check import Check, Finding, Result, unknown

LIMIT_SECONDS: Final = 60.0
"""Maximum seconds that a check may take; all start together, so it is the command's maximum, too."""


def run_checks(checks: Sequence[Check], *, limit_seconds: float = LIMIT_SECONDS) -> list[Result]:
    """Run all checks, and return their results in the same order.

    Args:
        checks: The checks.
        limit_seconds: Maximum seconds that a check may take; one that takes longer becomes "could not check".
    """
    findings: dict[int, Finding] = {}

    def look(number: int, check: Check) -> None:
        findings[number] = _finding_of(check)

    # Daemon threads, which the process does not wait for: a check that hangs must not block the command.
    threads = [threading.Thread(target=look, args=pair, daemon=True) for pair in enumerate(checks)]
    deadline = time.monotonic() + limit_seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = unknown(f"no answer within {limit_seconds:g} seconds", "run it again; check the network if that recurs")
    return [Result(name=check.name, finding=findings.get(number, late)) for number, check in enumerate(checks)]


def _finding_of(check: Check) -> Finding:
    try:
        return check.look()
    except CouldNotCheckError as error:
        return unknown(str(error), error.next_step)
    except ClientError as error:
        return unknown(f"{error.operation_name}: {code_of(error)}: {message_of(error)}", "run it again in a minute")
    except Exception as error:  # noqa: BLE001  one check must not end the others, nor the command
        return unknown(f"{type(error).__name__}: {error}", "run it again; report it if that recurs")
