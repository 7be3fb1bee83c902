"""`cdk-sglang init`: turn what a person knows about the callers into an environment file that can be deployed."""
