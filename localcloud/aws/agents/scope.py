"""Scope of a request's signature: the Region whose state answers, and the service."""

from __future__ import annotations

from typing import Final

from moto.core import DEFAULT_ACCOUNT_ID
from werkzeug.wrappers import Request

from localcloud.aws.agents.errors import AgentCoreError
from localcloud.aws.agents.store import Store, store
from localcloud.aws.door.guard import SIGNED

_SERVICE: Final = "bedrock-agentcore"


def state_of(request: Request) -> Store:
    """State that answers an admitted request.

    Raises:
        AgentCoreError: AccessDeniedException, if the signature is for another service.
    """
    signed = request.environ[SIGNED]
    if signed.service != _SERVICE:
        message = f"Credential should be scoped to correct service: '{_SERVICE}', not '{signed.service}'"
        raise AgentCoreError("AccessDeniedException", message)
    return store(DEFAULT_ACCOUNT_ID, signed.scope[1])
