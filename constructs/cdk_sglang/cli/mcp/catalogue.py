"""All tools, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cdk_sglang.cli.mcp.tool import Tool
from cdk_sglang.cli.mcp.tools.capacity import SEARCH_CAPACITY
from cdk_sglang.cli.mcp.tools.diff import DIFF_ENVIRONMENT
from cdk_sglang.cli.mcp.tools.explain import EXPLAIN_PROBLEM
from cdk_sglang.cli.mcp.tools.lists import LIST_INSTANCES, LIST_MODELS
from cdk_sglang.cli.mcp.tools.plan import CHECK_ENVIRONMENT, PLAN_MODEL
from cdk_sglang.cli.mcp.tools.predict import PREDICT
from cdk_sglang.cli.mcp.tools.propose import PROPOSE_FLEET
from cdk_sglang.cli.mcp.tools.status import FLEET_STATUS

_ORDER: Final = (
    PROPOSE_FLEET,
    PLAN_MODEL,
    PREDICT,
    LIST_MODELS,
    LIST_INSTANCES,
    CHECK_ENVIRONMENT,
    EXPLAIN_PROBLEM,
    SEARCH_CAPACITY,
    FLEET_STATUS,
    DIFF_ENVIRONMENT,
)
TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in _ORDER}
"""Tools by name."""
