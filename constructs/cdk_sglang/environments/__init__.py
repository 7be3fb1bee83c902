"""Environments as YAML files: their settings, how they are read, and what is planned, measured and examined of them. No CDK."""
