"""Policy engines: the part of Cedar that says which tools a caller may call, without conditions.

A statement is ``permit`` or ``forbid`` over a principal, an action and a resource; each of the three is anything, ``is Type``, ``==`` one
entity, or ``in`` a list. Other parts of Cedar (``when``, ``unless``, templates) cannot be evaluated here, and are refused when
the policy is created, so that they do not seem to be enforced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from moto.sts.models import sts_backends

from localcloud.aws.agents.errors import AgentCoreError
from localcloud.aws.agents.store import Store

_STATEMENT: Final = re.compile(r"\s*(permit|forbid)\s*\((?P<scope>.*?)\)\s*;\s*", re.DOTALL)
_ENTITY: Final = r'[A-Za-z_][\w:]*::"[^"]*"'
_PART: Final = re.compile(
    rf"\s*(?P<name>principal|action|resource)\s*(?:is\s+(?P<type>[\w:]+)|==\s*(?P<one>{_ENTITY})|in\s*(?P<many>\[[^\]]*\]|{_ENTITY}))?\s*(?:,|$)"
)
_COMMENT: Final = re.compile(r"//[^\n]*")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One statement.

    Attributes:
        permits: Whether the statement permits. Otherwise it forbids.
        scope: What principal, action and resource must be: None for anything, else entities or ``is`` types.
    """

    permits: bool
    scope: dict[str, tuple[str, ...] | None]

    def covers(self, request: dict[str, str]) -> bool:
        """Whether the statement is about a request: an entity for each of principal, action and resource."""
        return all(allowed is None or _matches(request[name], allowed) for name, allowed in self.scope.items())


def parse(statement: str) -> list[Rule]:
    """Parse the statements of a policy.

    Raises:
        AgentCoreError: ValidationException: not Cedar, or more of Cedar than is modelled here.
    """
    text, rules, position = _COMMENT.sub("", statement).strip(), [], 0
    while position < len(text):
        found = _STATEMENT.match(text, position)
        if found is None:
            raise _unknown(text[position:])
        rules.append(Rule(permits=found[1] == "permit", scope=_scope(found["scope"])))
        position = found.end()
    if not rules:
        raise _unknown(statement)
    return rules


def caller_of(access_key_id: str, account: str) -> str:
    """Cedar's entity of a caller: the role that an access key's session has assumed, without the session's name, else the account.

    The form of a role's id is AWS's (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/policy-conditions.html, read 2026-11).
    """
    for _, _, backend in list(sts_backends.iter_backends()):
        role = backend.get_assumed_role_from_access_key(access_key_id)
        if role is not None:
            return f'AgentCore::IamEntity::"{role.arn.rpartition("/")[0]}"'
    return f'AgentCore::IamEntity::"arn:aws:iam::{account}:root"'


def allowed(state: Store, gateway: Any, tool: str, *, caller: str) -> bool:
    """Whether the policy engine of a gateway lets a caller call a tool; without an engine in ENFORCE every tool is allowed."""
    configured = gateway.properties.get("PolicyEngineConfiguration")
    if not configured or configured["Mode"] != "ENFORCE":
        return True
    return decided(state, gateway, tool, caller=caller)


def decided(state: Store, gateway: Any, tool: str, *, caller: str) -> bool:
    """Decision of the gateway's policy engine about a tool: permitted by one statement at least, and forbidden by none."""
    engine = state.engines.get(gateway.properties["PolicyEngineConfiguration"]["Arn"].rpartition("/")[2])
    request = {
        "principal": caller,
        "action": f'AgentCore::Action::"{tool}"',
        "resource": f'AgentCore::Gateway::"{gateway.arn}"',
    }
    active = [
        p for p in (engine.policies.values() if engine else ()) if p.properties.get("EnforcementMode") != "LOG_ONLY"
    ]
    rules = [rule for policy in active for rule in parse(statement_of(policy.properties))]
    about = [rule.permits for rule in rules if rule.covers(request)]
    return any(about) and all(about)


def statement_of(properties: dict[str, Any]) -> str:
    """Cedar statement in the properties of a policy."""
    definition = properties["Definition"]
    return str((definition.get("Cedar") or definition.get("Policy"))["Statement"])


def _scope(text: str) -> dict[str, tuple[str, ...] | None]:
    scope: dict[str, tuple[str, ...] | None] = {}
    position = 0
    while position < len(text.rstrip()):
        found = _PART.match(text, position)
        if found is None:
            raise _unknown(text[position:])
        names = found["one"] or found["many"]
        entities = tuple(re.findall(_ENTITY, names)) if names else None
        scope[found["name"]] = (f"is {found['type']}",) if found["type"] else entities
        position = found.end()
    if set(scope) != {"principal", "action", "resource"}:
        raise _unknown(text)
    return scope


def _matches(entity: str, allowed_ones: tuple[str, ...]) -> bool:
    kind = entity[: entity.index('::"')]
    return any(one in (entity, f"is {kind}") for one in allowed_ones)


def _unknown(text: str) -> AgentCoreError:
    message = f"the embedded AWS decides permit and forbid over principal, action and resource, without conditions; it cannot read: {text.strip()[:120]}"
    return AgentCoreError("ValidationException", message)
