"""SageMaker AI benchmark jobs: AIPerf in the account. Their parameters are as documented, and were never sent to AWS by this project."""
