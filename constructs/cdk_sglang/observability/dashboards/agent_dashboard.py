"""Construct that deploys the dashboard of an agent."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.metrics.agentcore import AgentMetrics
from cdk_sglang.observability.dashboards.agent_board import agent_board
from cdk_sglang.observability.dashboards.body import dashboard_body
from cdk_sglang.observability.dashboards.limits import body_json, dashboard_problems


class AgentDashboard(Construct):
    """CloudWatch dashboard of an agent: turns, errors, throttles, latency and sessions of its runtime, its tools, its memory.

    Its name is `<name>_agent`; names of dashboards must be unique in an account over all Regions. CloudWatch bills each dashboard by the month.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the fleet, such as prod.
        metrics: Metrics of an agent in the same stack, so that its ARNs are known to the dashboard.
        model_endpoint: SageMaker's name of the endpoint of the agent's model.
        endpoints: Named endpoints of the runtime, in addition to AgentCore's own.
        runbooks: Address of runbooks, or their folder in a repository; none by default.

    Attributes:
        dashboard_name: Name of the dashboard.

    Raises:
        ConfigurationError: CloudWatch would refuse the dashboard.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        metrics: AgentMetrics,
        model_endpoint: str,
        endpoints: Sequence[str] = (),
        runbooks: str | None = None,
    ) -> None:
        board = agent_board(name, metrics, model_endpoint=model_endpoint, endpoints=endpoints, runbooks=runbooks)
        body = dashboard_body(board, region=cdk.Stack.of(scope).region)
        raise_if_any(dashboard_problems(construct_id, board.name, body))
        super().__init__(scope, construct_id)
        self.dashboard_name: str = board.name
        cloudwatch.CfnDashboard(self, board.name, dashboard_name=board.name, dashboard_body=body_json(body))
