"""The `cdk-sglang` command."""
