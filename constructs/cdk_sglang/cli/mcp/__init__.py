"""`cdk-sglang mcp`: the planner and a read-only view of a fleet as tools of the Model Context Protocol."""
