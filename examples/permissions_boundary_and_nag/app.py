"""Rules of your organisation applied to everything that the library creates: a permissions boundary, a tag, and your own cdk-nag pack."""

import aws_cdk as cdk
import cdk_nag
from aws_cdk import aws_iam as iam

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, NoAlarms, ServingImage, SglangOptions

app = cdk.App()
stack = cdk.Stack(app, "Assistants", env=cdk.Environment(account="111122223333", region="us-east-1"))
endpoint = InferenceEndpoint(
    stack,
    "Chat",
    capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=2),
    image=ServingImage.from_dlc(),
    alarms=NoAlarms(reason="the organisation's own monitoring reads these metrics"),
)
endpoint.add_component(
    "llama",
    model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
    server=SglangOptions(context_length=16384),
)

boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "team-boundary")
iam.PermissionsBoundary.of(app).apply(boundary)
cdk.Tags.of(app).add("cost-centre", "ml")
cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
app.synth()
