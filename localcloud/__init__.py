"""The embedded AWS: moto, the SageMaker it lacks, and endpoint processes on this machine."""
