"""`cdk-sglang doctor`: check everything outside of the environment's file that a deployment depends on, before the deployment."""
