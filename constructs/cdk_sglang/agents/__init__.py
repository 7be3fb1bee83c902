"""The optional agent: an AgentCore runtime whose model is a component, its gateway with tools, memory, and packaging without Docker."""
