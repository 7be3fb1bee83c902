"""The embedded AWS: moto, and on top of it SageMaker hosting that really serves."""
