"""An endpoint in one stack, and a function that calls it in another, which refers to the endpoint by name."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions

HERE = cdk.Environment(account="111122223333", region="us-east-1")
CODE = """
import json, boto3
runtime = boto3.client("sagemaker-runtime")
def handler(event, context):
    body = json.dumps({"messages": [{"role": "user", "content": event["question"]}]})
    answer = runtime.invoke_endpoint(
        EndpointName="chat", InferenceComponentName="chat-llama", ContentType="application/json", Body=body
    )
    return json.load(answer["Body"])["choices"][0]["message"]
"""

app = cdk.App()

serving = cdk.Stack(app, "Serving", env=HERE)
capacity = Capacity.on_demand("ml.g6e.2xlarge", max_instances=2)
endpoint = InferenceEndpoint(serving, "Chat", endpoint_name="chat", capacity=capacity, image=ServingImage.from_dlc())
endpoint.add_component(
    "llama",
    model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
    server=SglangOptions(context_length=16384),
)

caller = cdk.Stack(app, "Caller", env=HERE)
function = lambda_.Function(
    caller,
    "Ask",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="index.handler",
    code=lambda_.Code.from_inline(CODE),
    timeout=cdk.Duration.seconds(60),
)
chat = InferenceEndpoint.from_endpoint_attributes(caller, "Chat", endpoint_name="chat", component_names=("chat-llama",))
chat.grant_invoke(function)

app.synth()
