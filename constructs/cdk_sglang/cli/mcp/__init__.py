"""`cdk-sglang mcp`: the planner and read-only looks at a fleet as tools of the Model Context Protocol."""
