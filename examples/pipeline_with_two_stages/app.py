"""A CDK pipeline that deploys the same fleet to two accounts, the second after somebody has read what the deployment would do, and approved it."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import pipelines
from constructs import Construct

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions


class Fleet(cdk.Stage):
    """The fleet of one account."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        env: cdk.Environment,
        max_instances: int,
        budget_usd_per_hour: float,
    ) -> None:
        super().__init__(scope, construct_id, env=env)
        self.budget_usd_per_hour: float = budget_usd_per_hour
        stack = cdk.Stack(self, "Assistants")
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=max_instances),
            image=ServingImage.from_dlc(),
            budget_usd_per_hour=budget_usd_per_hour,  # a fleet that costs more fails in the pipeline's first step, before anything is deployed
        )
        endpoint.add_component(
            "llama",
            model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
            server=SglangOptions(context_length=16384),
        )


def what_changes(stage: Fleet, cloud_assembly: pipelines.FileSet) -> pipelines.CodeBuildStep:
    """Return a step that says in its log what deploying a stage would do, and fails if it may cost more than its budget.

    It reads the deployed templates with the look-up role of `cdk bootstrap`, which can change nothing.

    Args:
        stage: The stage.
        cloud_assembly: Cloud assembly that the pipeline synthesised.
    """
    qualifier = cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
    role = f"arn:aws:iam::{stage.account}:role/cdk-{qualifier}-lookup-role-{stage.account}-{stage.region}"
    return pipelines.CodeBuildStep(
        f"WhatChangesIn{stage.node.id}",
        input=cloud_assembly,
        install_commands=["pip install 'cdk-sglang[client]'"],
        commands=[
            "printf '[profile stage]\\nrole_arn = %s\\ncredential_source = EcsContainer\\n' \"$LOOKUP_ROLE\" > aws-config",
            'export AWS_CONFIG_FILE="$PWD/aws-config" AWS_PROFILE=stage',
            f"cdk-sglang diff --env {stage.stage_name} --to assembly-{stage.node.id} --budget {stage.budget_usd_per_hour}",
        ],
        env={"LOOKUP_ROLE": role},
        role_policy_statements=[iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[role])],
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
dev = Fleet(
    app,
    "Dev",
    env=cdk.Environment(account="222233334444", region="us-east-1"),
    max_instances=1,
    budget_usd_per_hour=3,
)
prod = Fleet(
    app,
    "Prod",
    env=cdk.Environment(account="333344445555", region="us-east-1"),
    max_instances=8,
    budget_usd_per_hour=25,
)
assert pipeline.cloud_assembly_file_set is not None
changes = what_changes(prod, pipeline.cloud_assembly_file_set)
promote = pipelines.ManualApprovalStep("Promote", comment="WhatChangesInProd says what it does")
promote.add_step_dependency(changes)
pipeline.add_stage(dev)
pipeline.add_stage(prod, pre=[changes, promote])
app.synth()
