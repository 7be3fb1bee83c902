"""Public addresses that answer JSON, called without credentials."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from cdk_sglang.cli.doctor.account import CouldNotCheckError

TIMEOUT_S: Final = 15
_MOST_BYTES: Final = 32 * 2**20
"""A hub's description lists the files of a repository, some hundred bytes each."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an address answered.

    Attributes:
        status: HTTP status.
        code: X-Error-Code of a refusal; empty without one.
        content: The JSON object; empty if it is not one.
    """

    status: int
    code: str
    content: dict[str, Any]


def ask(url: str) -> Answer:
    """Return what an address answers.

    Args:
        url: The address.

    Raises:
        CouldNotCheckError: It was not reached.
    """
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            content = json.loads(response.read(_MOST_BYTES))
            return Answer(status=response.status, code="", content=content if isinstance(content, dict) else {})
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, code=error.headers.get("X-Error-Code", ""), content={})
    except (OSError, ValueError) as error:
        raise not_reached(url, error) from error


def not_reached(url: str, error: Exception) -> CouldNotCheckError:
    """Return that an address was not reached.

    Args:
        url: The address.
        error: Why not.
    """
    reason = getattr(error, "reason", error)
    return CouldNotCheckError(
        f"{urlsplit(url).netloc} was not reached: {reason}",
        "this cannot be checked offline; AWS calls it from its own network",
    )
