"""The app's stacks: composition and wiring only; `cdk_sglang.environments` reads and plans environments."""
