"""A CDK pipeline that deploys the same fleet to two accounts, the second after somebody approved."""

import aws_cdk as cdk
from aws_cdk import pipelines
from constructs import Construct

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions


class Fleet(cdk.Stage):
    """The fleet of one account."""

    def __init__(self, scope: Construct, construct_id: str, *, env: cdk.Environment, max_instances: int) -> None:
        super().__init__(scope, construct_id, env=env)
        stack = cdk.Stack(self, "Assistants")
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=max_instances),
            image=ServingImage.from_dlc(),
        )
        endpoint.add_component(
            "llama",
            model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
            server=SglangOptions(context_length=16384),
        )


app = cdk.App()
stack = cdk.Stack(app, "Pipeline", env=cdk.Environment(account="111122223333", region="us-east-1"))
pipeline = pipelines.CodePipeline(
    stack,
    "Pipeline",
    cross_account_keys=True,
    synth=pipelines.ShellStep(
        "Synth",
        input=pipelines.CodePipelineSource.connection(
            "my-organisation/my-fleet",
            "main",
            connection_arn="arn:aws:codeconnections:us-east-1:111122223333:connection/11111111-2222-3333-4444-555555555555",
        ),
        commands=["pip install cdk-sglang", "npx aws-cdk@2.1148.1 synth --app 'python app.py'"],
    ),
)
dev = cdk.Environment(account="222233334444", region="us-east-1")
prod = cdk.Environment(account="333344445555", region="us-east-1")
pipeline.add_stage(Fleet(app, "Dev", env=dev, max_instances=1))
pipeline.add_stage(Fleet(app, "Prod", env=prod, max_instances=8), pre=[pipelines.ManualApprovalStep("Promote")])
app.synth()
