"""A dashboard of your own from the metrics of an endpoint and its components."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions

app = cdk.App()
stack = cdk.Stack(app, "Assistants", env=cdk.Environment(account="111122223333", region="us-east-1"))
capacity = Capacity.on_demand("ml.g6e.2xlarge", max_instances=2)
endpoint = InferenceEndpoint(stack, "Chat", capacity=capacity, image=ServingImage.from_dlc())
llama = endpoint.add_component(
    "llama",
    model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
    server=SglangOptions(context_length=16384),
)

minute = cdk.Duration.minutes(1)
cloudwatch.Dashboard(
    stack,
    "Dashboard",
    widgets=[
        [
            cloudwatch.GraphWidget(
                title="Requests and failures",
                left=[llama.metrics.metric_invocations(period=minute)],
                right=[llama.metrics.metric_invocation_5xx_errors(period=minute)],
            ),
            cloudwatch.GraphWidget(
                title="Time in the container, slowest hundredth",
                left=[llama.metrics.metric_model_latency(statistic="p99", period=minute)],
            ),
        ],
        [
            cloudwatch.GraphWidget(title="GPUs of the endpoint", left=[endpoint.metrics.metric_gpu_utilization()]),
        ],
    ],
)
app.synth()
