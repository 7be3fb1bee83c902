"""AWS CDK constructs for serving open-weight models with SGLang on Amazon SageMaker."""
