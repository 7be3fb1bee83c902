"""Names of endpoints and inference components: derived or explicit, and checked before any resource is created.

CloudFormation has no name attribute for inference components, so scaling targets, adapters and log groups can only
refer to a name that is known at synth.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from cdk_sglang.serving.shared.tokens import is_token

if TYPE_CHECKING:
    import aws_cdk as cdk
    from constructs import Construct

TEAM_TAG: Final = "cdk-sglang:team"
"""Tag of a component's and an adapter's resources: the team that its cost is attributed to. It is not just "team", which a tag of the whole
environment would replace."""

DERIVED_MAX_LENGTH: Final = 24
"""Maximum length of a derived endpoint name; components and adapters append theirs, and have 39 of the 63 characters left."""
_DIGEST_LENGTH: Final = 8


def logical_digest(*parts: str) -> str:
    """Return eight hexadecimal digits for a logical id, derived from values whose change must replace the resource."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:8].upper()


def derived_name(scope: Construct, construct_id: str, stack: cdk.Stack) -> str:
    """Return the name of an endpoint without an explicit one: the end of its construct path, and a digest of the whole path.

    The name is in lower case, as in SageMaker's ARNs. The path begins with the name of the stack, which is unique in its account and Region.

    Args:
        scope: Parent of the endpoint.
        construct_id: Id of the endpoint.
        stack: Stack of the endpoint.
    """
    while is_token(stack.stack_name) and stack.nested_stack_parent is not None:
        stack = stack.nested_stack_parent  # CloudFormation names a nested stack
    inside = scope.node.path.removeprefix(stack.node.path).strip("/")
    parts = [stack.stack_name, *filter(None, inside.split("/")), construct_id]
    digest = logical_digest(*parts).lower()
    room = DERIVED_MAX_LENGTH - _DIGEST_LENGTH - 1
    words = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts]
    path_end = words[-1][:room]
    for word in reversed(words[:-1]):
        if word and len(word) + 1 + len(path_end) > room:
            break
        path_end = f"{word}-{path_end}"
    return f"{path_end.strip('-')}-{digest}".lstrip("-")
