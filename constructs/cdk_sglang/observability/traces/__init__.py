"""Traces of the engine and its callers in CloudWatch."""
