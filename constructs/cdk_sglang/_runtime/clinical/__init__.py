"""Tools of the clinical-intake agent, behind a gateway of Bedrock AgentCore."""
