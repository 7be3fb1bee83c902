"""`cdk-sglang console`: a deployed environment as a page on this machine, read from AWS as anybody else reads it."""
