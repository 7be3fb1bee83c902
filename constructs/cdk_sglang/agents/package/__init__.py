"""An agent's code as the zip that AgentCore runs: built with uv for arm64, without Docker, and only when a deployment needs it. No CDK."""
