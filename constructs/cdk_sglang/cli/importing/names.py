"""Short names of an environment file from SageMaker's."""

from __future__ import annotations

import re
from collections.abc import Container

from cdk_sglang.spec.kinds import NAME_MAX_LENGTH


def short_name(full: str, *, within: str, taken: Container[str] = ()) -> str:
    """Return the name of an endpoint, component or adapter in an environment file.

    Args:
        full: Its name in SageMaker.
        within: Name of what it belongs to; names of this library begin with it and a hyphen.
        taken: Names that others have.
    """
    own = full.removeprefix(f"{within}-") if within and full != f"{within}-" else full
    words = re.sub(r"[^a-z0-9]+", "-", own.lower()).strip("-")
    name = re.sub(r"^[^a-z]+", "", words)[:NAME_MAX_LENGTH].rstrip("-") or "model"
    unique, number = name, 2
    while unique in taken:
        ending = f"-{number}"
        unique, number = f"{name[: NAME_MAX_LENGTH - len(ending)]}{ending}", number + 1
    return unique
