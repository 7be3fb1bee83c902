"""Constructs: what SageMaker serves."""
