"""Where jsii unpacks the CDK, for tests whose programs have a home of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

UNPACKED: Final[dict[str, str]] = {
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path("~/.cache/aws/jsii/package-cache").expanduser())
}
"""Environment variable for the folder of this user: in a home of its own, a program would unpack 10,000 files anew."""
