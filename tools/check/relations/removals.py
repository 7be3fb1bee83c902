"""Mutation of roles: each right of a function's role is taken away, one by one, and the checks of permissions have to notice."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from tools.check.graph import Environment, Graph, Template, listed
from tools.check.relations import permissions
from tools.check.relations.grants import grants
from tools.check.relations.unused import BEHIND, SIGNED, roles_of_functions

_NOTHING: Final = "none:None"
"""An action that does not exist: a statement needs one."""


def findings(template: Template, environment: Environment) -> Iterator[tuple[str, str, bool]]:
    """Yield role, action, and whether something notices that the role lacks it, for each right of the roles of functions.

    Actions that AWS asks for behind others, or that no call shows, count as noticed: `unused` has the reasons.

    Args:
        template: A CloudFormation template.
        environment: What the templates of its environment say together.
    """
    graph = Graph(template)
    before = set(permissions.findings(graph, environment))
    for role, _, _ in roles_of_functions(graph, environment):
        for action in sorted({action for grant in grants(role, graph) for action in grant.actions}):
            noticed = action in BEHIND or action in SIGNED
            lacking = Graph(_without(template, graph, role, action))
            yield role, action, noticed or not before.issuperset(permissions.findings(lacking, environment))


def _without(template: Template, graph: Graph, role: str, action: str) -> dict[str, Any]:
    changed: dict[str, Any] = {**template, "Resources": dict(graph.resources)}
    for name in (role, *graph.policies.get(role, ())):
        resource = changed["Resources"][name] = copy.deepcopy(dict(graph.resources[name]))
        properties = resource["Properties"]
        documents = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
        for statement in (statement for document in documents for statement in listed(document["Statement"])):
            statement["Action"] = [one for one in listed(statement["Action"]) if one != action] or [_NOTHING]
    return changed
