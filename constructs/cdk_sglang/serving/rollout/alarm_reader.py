"""SageMaker reads the alarms of a rollout with the endpoint's role."""

from __future__ import annotations

from aws_cdk import aws_iam as iam

from cdk_sglang.serving.shared import permissions


class AlarmReader:
    """Lets a role read alarms, once however many rollouts have some.

    Args:
        role: Execution role of the endpoint.
    """

    def __init__(self, role: iam.Role) -> None:
        self._role = role
        self._allowed = False

    def allow(self) -> None:
        """Let SageMaker read alarms with the role."""
        if not self._allowed:
            self._allowed = True
            self._role.add_to_principal_policy(
                iam.PolicyStatement(sid="ReadAlarms", actions=list(permissions.READ_ALARMS), resources=["*"])
            )
