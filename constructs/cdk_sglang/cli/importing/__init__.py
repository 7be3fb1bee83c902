"""`cdk-sglang import`: write an environment file that describes a running endpoint, whatever created it."""
