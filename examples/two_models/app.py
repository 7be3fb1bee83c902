"""Two models on the four GPUs of one endpoint, in your own app."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions

app = cdk.App()
stack = cdk.Stack(app, "Assistants", env=cdk.Environment(account="111122223333", region="us-east-1"))
capacity = Capacity.on_demand("ml.g6e.12xlarge", max_instances=2)
endpoint = InferenceEndpoint(stack, "Chat", capacity=capacity, image=ServingImage.from_dlc())
endpoint.add_component(
    "llama",
    model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
    server=SglangOptions(context_length=16384, tool_call_parser="llama3"),
    copies=2,
)
endpoint.add_component(
    "gpt-oss",
    model=ModelSource.from_s3("s3://my-models/gpt-oss-20b/", weights_size=cdk.Size.gibibytes(13)),
    server=SglangOptions(tp_size=2, reasoning_parser="gpt-oss", tool_call_parser="gpt-oss"),
)
endpoint.grant_invoke(iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal()))
app.synth()
