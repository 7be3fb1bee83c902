"""Names of endpoints and inference components: derived, explicit, and checked before anything is made.

CloudFormation gives no name attribute for an inference component, so scaling targets, adapters and log groups can only
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
"""Tag of a component's and an adapter's resources: the team that answers for its cost. Not "team" alone, which a tag of the whole
environment would replace."""

DERIVED_MAX_LENGTH: Final = 24
"""Of a derived endpoint name; components and adapters add theirs to it, and have 39 of the 63 characters left."""
_DIGEST_LENGTH: Final = 8


def logical_digest(*parts: str) -> str:
    """Return eight hexadecimal digits that belong into a logical id, for what must replace the resource when it changes."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:8].upper()


def derived_name(scope: Construct, construct_id: str, stack: cdk.Stack) -> str:
    """Return the name of an endpoint that was given none: the end of its construct path, and a digest of all of it.

    Lower case, as SageMaker's ARNs have it. The path begins with the name of the stack, which is one in its account and Region.

    Args:
        scope: Parent of the endpoint.
        construct_id: Id of the endpoint.
        stack: The stack it is in.
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
