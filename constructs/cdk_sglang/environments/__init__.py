"""Environments as YAML files: their settings, how they are read, and what to plan, measure and check for them. Does not import CDK."""
