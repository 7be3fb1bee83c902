"""The clinical-intake assistant: a Strands agent whose model is an inference component and whose tools are behind an MCP gateway.

Imports nothing from cdk-sglang: these files are the code zip of an AgentCore runtime.
"""
