"""`cdk-sglang diff`: what a deployment would do to each endpoint, component and adapter, before it does."""
