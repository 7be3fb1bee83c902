"""Bedrock AgentCore: runtimes whose sessions are processes, and gateways that speak MCP and call Lambda functions."""
