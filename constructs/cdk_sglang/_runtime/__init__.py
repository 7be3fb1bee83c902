"""Sources of the Lambda functions: assets, never imported by the library. Standard library and boto3 only."""
