"""Runs CodeBuild builds for CloudFormation: starts one when its result is missing, waits for it, explains a failure."""
