"""`cdk-sglang eagle`: train a draft, prove that it is faster, promote it, and roll it back."""
