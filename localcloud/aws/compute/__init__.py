"""Work that runs and ends: Lambda functions, CodeBuild builds, state machines, SageMaker jobs."""
