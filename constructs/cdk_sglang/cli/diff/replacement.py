"""Which changed properties make CloudFormation replace a resource, for the types of this library's stacks.

Source: `createOnlyProperties` and `conditionalCreateOnlyProperties` of CloudFormation's registry schemas for us-east-1, as shipped with
cfn-lint 1.58.0 (read 2026-11); a test compares every row. Top-level properties alone. A type that is not listed counts as updated in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REPLACING: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(properties.split())
    for name, properties in {
        "AWS::ApplicationAutoScaling::ScalableTarget": "ResourceId ScalableDimension ServiceNamespace",
        "AWS::ApplicationAutoScaling::ScalingPolicy": "PolicyName ResourceId ScalableDimension ScalingTargetId ServiceNamespace",
        "AWS::BedrockAgentCore::GatewayTarget": "GatewayIdentifier",
        "AWS::BedrockAgentCore::Runtime": "AgentRuntimeName",
        "AWS::CloudWatch::Alarm": "AlarmName",
        "AWS::CloudWatch::CompositeAlarm": "AlarmName",
        "AWS::CloudWatch::Dashboard": "DashboardName",
        "AWS::CodeBuild::Project": "Name",
        "AWS::DynamoDB::Table": "ImportSourceSpecification KeySchema TableName",
        "AWS::EC2::RouteTable": "VpcId",
        "AWS::EC2::SecurityGroup": "GroupDescription GroupName VpcId",
        "AWS::EC2::Subnet": "AvailabilityZone AvailabilityZoneId CidrBlock Ipv4IpamPoolId Ipv4NetmaskLength Ipv6CidrBlock "
        "Ipv6IpamPoolId Ipv6Native Ipv6NetmaskLength OutpostArn VpcId",
        "AWS::EC2::SubnetRouteTableAssociation": "RouteTableId SubnetId",
        "AWS::EC2::VPC": "CidrBlock InstanceTenancy Ipv4IpamPoolId Ipv4NetmaskLength VpcEncryptionControl",
        "AWS::EC2::VPCEndpoint": "ResourceConfigurationArn ServiceName ServiceNetworkArn ServiceRegion VpcEndpointType VpcId",
        "AWS::ECR::Repository": "EncryptionConfiguration RepositoryName",
        "AWS::Events::Rule": "EventBusName Name",
        "AWS::IAM::Role": "Path RoleName",
        "AWS::KMS::Key": "",
        "AWS::Lambda::Function": "DurableConfig FunctionName PackageType TenancyConfig",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::Logs::MetricFilter": "FilterName LogGroupName",
        "AWS::S3::Bucket": "BucketName BucketNamePrefix BucketNamespace",
        "AWS::S3::BucketPolicy": "Bucket",
        "AWS::SNS::Topic": "FifoTopic TopicName",
        "AWS::SQS::Queue": "FifoQueue QueueName",
        "AWS::SSM::Parameter": "Name",
        "AWS::SageMaker::Endpoint": "EndpointName",
        "AWS::SageMaker::EndpointConfig": "AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation EndpointConfigName "
        "ExecutionRoleArn ExplainerConfig KmsKeyId MetricsConfig ProductionVariants ShadowProductionVariants VpcConfig",
        "AWS::SageMaker::InferenceComponent": "",
        "AWS::SageMaker::Model": "Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig ModelName "
        "PrimaryContainer VpcConfig",
        "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupDescription ModelPackageGroupName",
        "AWS::Scheduler::Schedule": "Name",
        "AWS::StepFunctions::StateMachine": "StateMachineName StateMachineType",
    }.items()
}
"""Properties by resource type."""

UNIQUE: Final[Mapping[str, str]] = {
    "AWS::BedrockAgentCore::Runtime": "AgentRuntimeName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::EC2::Subnet": "CidrBlock",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
"""Property that no two resources share: with the same value on both sides, CloudFormation cannot create the successor of a replaced resource
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html, read 2026-11; of subnets,
InvalidSubnet.Conflict: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)."""

FIXED_ON_A_COMPONENT: Final = ("InferenceComponentName", "EndpointName", "VariantName")
"""Properties of an inference component that the schema calls updatable, and that `UpdateInferenceComponent` has no member for
(botocore 1.44.5): the deployment fails."""


def is_custom(type_name: str) -> bool:
    """Return whether a type is a custom resource, whose attributes only its function knows."""
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


def replacing_properties(type_name: str) -> frozenset[str]:
    """Return the properties whose change replaces a resource.

    Args:
        type_name: Type of the resource, such as AWS::SageMaker::Model.
    """
    return REPLACING.get(type_name, frozenset())
