"""`cdk-sglang bench`: measure what is deployed, keep the results, and compare them."""
