"""Facts about GPUs, ml.* instance types and prices, each with its source. No CDK."""
