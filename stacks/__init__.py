"""The app's stacks: composition and wiring only; what an environment says is read and planned by `cdk_sglang.environments`."""
