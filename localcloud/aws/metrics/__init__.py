"""CloudWatch: metrics that SageMaker publishes, alarms, and their notifications."""
