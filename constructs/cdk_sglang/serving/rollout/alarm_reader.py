"""Permission for SageMaker to read the alarms of a rollout with the endpoint's role."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.statements import allow_in_role


class AlarmReader:
    """Lets a role read alarms; the permission is added once, however many rollouts have alarms.

    Args:
        scope: The endpoint.
        role: Execution role of the endpoint.
    """

    def __init__(self, scope: Construct, role: iam.IRole) -> None:
        self._scope = scope
        self._role = role
        self._allowed = False

    def allow(self) -> None:
        """Let SageMaker read alarms with the role."""
        if not self._allowed:
            self._allowed = True
            statement = iam.PolicyStatement(actions=list(permissions.READ_ALARMS), resources=["*"])
            allow_in_role(self._scope, self._role, "ReadAlarms", statement)
