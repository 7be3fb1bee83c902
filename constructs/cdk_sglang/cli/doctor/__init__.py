"""`cdk-sglang doctor`: everything outside of the environment's file that a deployment depends on, looked at before it."""
