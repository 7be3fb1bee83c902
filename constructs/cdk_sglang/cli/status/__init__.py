"""`cdk-sglang status`: what an environment does now, beside what its plan says."""
