"""`cdk-sglang import`: from an endpoint that runs, whatever made it, to an environment file that describes it."""
