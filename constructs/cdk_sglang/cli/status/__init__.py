"""`cdk-sglang status`: what an environment does now, next to what its plan says."""
