"""Rules of AWS for the names of endpoints and inference components."""

from __future__ import annotations

import re
from typing import Final

from cdk_sglang.errors import Problem
from cdk_sglang.tokens import is_token

MAX_NAME_LENGTH: Final = 63
"""Maximum length of EndpointName and InferenceComponentName (botocore 1.44.5, sagemaker CreateEndpoint and CreateInferenceComponent)."""
_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
"""Pattern of both names (botocore 1.44.5)."""


def name_problems(path: str, name: str, what: str) -> list[Problem]:
    """Return what is wrong with a physical name of an endpoint or a component; an empty list if it is valid."""
    if is_token(name):
        return [Problem(path, f"the {what} name must be known at synth, got a token; give a literal string")]
    problems = []
    if len(name) > MAX_NAME_LENGTH:
        over = len(name) - MAX_NAME_LENGTH
        problems.append(
            Problem(
                path,
                f"{what} name {name!r} has {len(name)} characters, AWS allows {MAX_NAME_LENGTH}; shorten it by {over}",
            )
        )
    if not _NAME.fullmatch(name):
        problems.append(
            Problem(
                path,
                f"{what} name {name!r} is not allowed; use letters, digits and single hyphens inside, "
                "starting and ending with a letter or digit",
            )
        )
    return problems
