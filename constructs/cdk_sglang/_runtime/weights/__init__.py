"""Weights in S3: copied from a hub, recorded in a manifest, checked for completeness.

One program, used in three places: CodeBuild runs it to stage a model, a Lambda function to check one before it is served, and the command
line to do both from a terminal (`python -m weights`). Standard library, boto3, and the urllib3 that comes with it.
"""
