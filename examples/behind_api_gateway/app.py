"""A construct of your own that wraps an endpoint, with API Gateway in front of one of its models."""

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk_sglang import (
    Alarms,
    Capacity,
    HelperFunctions,
    InferenceEndpoint,
    ModelSource,
    NoAlarms,
    ServingImage,
    SglangOptions,
)

COMPONENT_HEADER = "integration.request.header.X-Amzn-SageMaker-Inference-Component"


class ChatApi(Construct):
    """A model behind `POST /chat`, for callers with AWS credentials of the account."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        capacity: Capacity,
        model: ModelSource,
        server: SglangOptions,
        alarms: Alarms | NoAlarms | None = None,
        vpc: ec2.IVpc | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint = InferenceEndpoint(
            self, "Endpoint", capacity=capacity, image=ServingImage.from_dlc(), alarms=alarms, network=vpc
        )
        self.component = self.endpoint.add_component("chat", model=model, server=server)
        self.api = apigateway.RestApi(
            self, "Api", deploy_options=apigateway.StageOptions(metrics_enabled=True), cloud_watch_role=False
        )
        integration = apigateway.SagemakerIntegration(
            self.endpoint,
            request_parameters={COMPONENT_HEADER: f"'{self.component.component_name}'"},
            timeout=cdk.Duration.seconds(29),
        )
        self.api.root.add_resource("chat").add_method(
            "POST",
            integration,
            authorization_type=apigateway.AuthorizationType.IAM,
            method_responses=[apigateway.MethodResponse(status_code="200")],
        )

    def metric_latency(self, *, period: cdk.Duration) -> cloudwatch.Metric:
        """Return the time in the container, in microseconds."""
        return self.component.metric_model_latency(period=period)


app = cdk.App()
stack = cdk.Stack(app, "Chat", env=cdk.Environment(account="111122223333", region="us-east-1"))
vpc = ec2.Vpc(
    stack,
    "Vpc",
    max_azs=2,
    gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
)
HelperFunctions(stack, "Helpers", log_retention_days=90, vpc=vpc)
on_call = sns.Topic(stack, "OnCall")
chat = ChatApi(
    stack,
    "ChatApi",
    capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=2),
    model=ModelSource.from_s3("s3://my-models/llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
    server=SglangOptions(context_length=16384),
    alarms=Alarms(topic=on_call, actions=[actions.SsmIncidentAction("chat-down")]),
    vpc=vpc,
)
slow = chat.metric_latency(period=cdk.Duration.minutes(5)).create_alarm(
    stack, "Slow", threshold=20_000_000, evaluation_periods=3
)
slow.add_alarm_action(actions.SnsAction(on_call))
cloudwatch.CompositeAlarm(
    stack,
    "Waste",
    alarm_rule=cloudwatch.AlarmRule.from_alarm(chat.endpoint.idle_alarm, cloudwatch.AlarmState.ALARM),
)

app.synth()
