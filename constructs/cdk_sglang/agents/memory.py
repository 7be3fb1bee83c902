"""Short-term memory of an agent: the events of its sessions, encrypted, for some days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from constructs import Construct

from cdk_sglang.agents import permissions
from cdk_sglang.agents.roles import allow
from cdk_sglang.arguments import checked
from cdk_sglang.serving.shared.logs import kept_under_a_name
from cdk_sglang.serving.shared.permissions import ENCRYPT

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms


class AgentMemory(Construct):
    """Events of sessions, until they expire.

    It has no strategies, so no long-term records and no execution role: a Bedrock model outside the fleet would extract records, they would outlive
    the session's expiry, and more principals could read what patients said. To have them, add a strategy to `resource`.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the memory.
        expiry_days: Days that an event is kept.
        key: KMS key; AgentCore's own encryption by default.
        removal: Whether the memory outlives the stack; it does by default.

    Attributes:
        memory_id: Its id.
        memory_arn: Its ARN.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        expiry_days: int = 7,
        key: kms.IKey | None = None,
        removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        # CDK's own construct always creates an execution role, which a memory without strategies does not have.
        resource = agentcore.CfnMemory(
            self,
            "Resource",
            name=name,
            description="Events of the agent's sessions",
            event_expiry_duration=expiry_days,
            encryption_key_arn=None if key is None else key.key_arn,
        )
        resource.apply_removal_policy(kept_under_a_name(removal))
        self.memory_id: str = resource.attr_memory_id
        self.memory_arn: str = resource.attr_memory_arn

    def statements(self) -> list[iam.PolicyStatement]:
        """Return what an agent's role needs to write and read events."""
        statements = [allow(permissions.USE_MEMORY, [self.memory_arn], sid="Memory")]
        if self._key is not None:
            stack = cdk.Stack.of(self)
            via = {"StringEquals": {"kms:ViaService": f"bedrock-agentcore.{stack.region}.{stack.url_suffix}"}}
            statements.append(allow(ENCRYPT, [self._key.key_arn], sid="MemoryKey", conditions=via))
        return statements
