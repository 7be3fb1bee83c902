"""`cdk-sglang init`: from what a person knows of the callers to an environment file that can be deployed."""
