"""Resources that outlive deployments: network, key, buckets and the image repository of one environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.kinds import is_zone_id
from cdk_sglang.environments.naming import endpoint_name, parameter_name
from cdk_sglang.environments.settings import Environment, Network
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.endpoint.inference_route import InferenceRoute, RouteDestination
from cdk_sglang.serving.image.build import ServingImageBuild
from cdk_sglang.serving.shared.access_logs import make_access_logs
from cdk_sglang.serving.shared.acknowledge import acknowledge, acknowledge_inline_policy, in_packs
from cdk_sglang.serving.shared.helper_functions import HelperFunctions
from cdk_sglang.serving.shared.log_keys import let_logs_use
from cdk_sglang.serving.shared.log_options import LogOptions, retention_of
from cdk_sglang.serving.shared.logs import kept_under_a_name
from cdk_sglang.serving.shared.trust import trust_account_alone
from stacks.models import builds_of, secret_named
from stacks.options import StackOptions

_DEFAULT_CIDR: Final = "10.64.0.0/16"
_ZONES: Final = 2
_INTERFACE_ENDPOINTS: Final = {
    "SagemakerRuntime": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,  # callers inside the VPC
    "SagemakerApi": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_API,  # describing and updating from inside
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,  # for other workloads in the VPC
}
_AGENT_ENDPOINTS: Final = {
    "AgentcoreGateway": ec2.InterfaceVpcEndpointAwsService.BEDROCK_AGENTCORE_GATEWAY,  # tools
    "Agentcore": ec2.InterfaceVpcEndpointAwsService.BEDROCK_AGENTCORE,  # memory
    "Xray": ec2.InterfaceVpcEndpointAwsService.XRAY,  # traces
}
"""For an agent in the VPC, which has no route to the internet."""
_NO_SECOND_COPY: Final = (
    "weights can be fetched again from where they came; a second copy of terabytes is the owner's choice, not a default"
)
_DEFAULT_GROUP_UNUSED: Final = (
    "CloudFormation cannot close a VPC's default security group without a custom resource that may edit groups; "
    "nothing here is ever placed in it"
)


_FIRST_ZONES: Final = (
    "the VPC is in the first two Availability Zones of the Region, which may have none of the GPUs, or not every interface endpoint; name two that "
    "have them in network.availability_zones: `aws ec2 describe-instance-type-offerings --location-type availability-zone-id` and "
    "`aws ec2 describe-vpc-endpoint-services` list them"
)


class FoundationStack(cdk.Stack):
    """The resources that an environment keeps: deleting the stack retains weights, images, keys and logs, unless configured otherwise."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Environment,
        **options: Unpack[StackOptions],
    ) -> None:
        self._zones = settings.network.availability_zones
        super().__init__(scope, construct_id, **options)
        self._environment = environment
        # These are also kept when a first deployment fails: buckets, because a bucket with an object cannot be deleted, which would end in
        # ROLLBACK_FAILED; the key, because the retained data are encrypted with it; logs, because they show why. CloudFormation generates their
        # names, so they do not conflict with the next attempt. Resources with explicit names would: `kept_under_a_name`.
        self._removal = cdk.RemovalPolicy.DESTROY if settings.data.on_delete == "destroy" else cdk.RemovalPolicy.RETAIN
        self._retention = retention_of(settings.data.log_retention_days)
        self.key = self._build_key()
        self._build_buckets()
        self._build_repository(settings)
        if settings.alarms.kind == "create":
            self._build_topic()
        if settings.network.vpc == "create":
            agent_is_inside = settings.agent.enabled and settings.agent.network == "vpc"
            self._build_network(
                settings.network, {**_INTERFACE_ENDPOINTS, **(_AGENT_ENDPOINTS if agent_is_inside else {})}
            )
        self._build_routes(settings)

    @property
    def availability_zones(self) -> list[str]:
        """Zones of the VPC: those of the settings, else the first two of the Region, as CloudFormation returns them.

        CDK's own implementation looks them up in the account, which synth must not do.
        """
        if self._zones is not None:
            return list(self._zones)
        return [cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(_ZONES)]

    def _publish(self, construct_id: str, name: str, value: str) -> None:
        parameter = ssm.StringParameter(
            self, construct_id, parameter_name=parameter_name(self._environment, name), string_value=value
        )
        parameter.apply_removal_policy(cdk.RemovalPolicy.DESTROY)

    def _build_key(self) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description=f"Weights, images and logs of cdk-sglang {self._environment}",
            enable_key_rotation=True,
            removal_policy=self._removal,
        )
        let_logs_use(self, key, sid="EncryptLogs")
        self._publish("KeyArn", "key-arn", key.key_arn)
        return key

    def _build_routes(self, settings: Environment) -> None:
        # Here rather than with one of the endpoints: a route names endpoints of several stacks, by names known at synth, and must
        # not make one stack depend on another. While an endpoint does not exist, a client skips it.
        problems: list[Problem] = []
        for name, targets in settings.routes.items():
            split = (target.partition("/") for target in targets)
            full = [(endpoint_name(self._environment, endpoint), component) for endpoint, _, component in split]
            try:
                InferenceRoute(
                    self,
                    f"Route-{name}",
                    parameter_name=parameter_name(self._environment, f"routes/{name}"),
                    destinations=[
                        RouteDestination(endpoint_name=endpoint, component_name=f"{endpoint}-{component}")
                        for endpoint, component in full
                    ],
                )
            except ConfigurationError as error:
                problems += [
                    Problem(f"routes.{name}{problem.path.removeprefix(f'Route-{name}')}", problem.text)
                    for problem in error.problems
                ]
        raise_if_any(problems)

    def _build_topic(self) -> None:
        # An encrypted topic accepts alarms only if CloudWatch may use the key:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        here = {"StringEquals": {"aws:SourceAccount": self.account}}
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="EncryptAlarms",
                principals=[cloudwatch],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions=here,
            )
        )
        topic = sns.Topic(self, "Alarms", master_key=self.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="PublishAlarms",
                principals=[cloudwatch],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions=here,
            )
        )
        self._publish("AlarmTopicArn", "alarm-topic-arn", topic.topic_arn)
        cdk.CfnOutput(self, "AlarmTopic", value=topic.topic_arn, description="Subscribe here to be told of alarms")

    def _build_buckets(self) -> None:
        access_logs = make_access_logs(self, "AccessLogs", removal=self._removal)
        weights = s3.Bucket(
            self,
            "Weights",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,  # one KMS request for many objects
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="weights/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                    noncurrent_version_expiration=cdk.Duration.days(30),
                )
            ],
            removal_policy=self._removal,
        )
        self._publish("WeightsBucketName", "weights-bucket", weights.bucket_name)
        cdk.CfnOutput(
            self, "WeightsBucket", value=weights.bucket_name, description="Upload weights under their prefix here"
        )
        acknowledge(weights, in_packs("S3BucketReplicationEnabled"), _NO_SECOND_COPY)

    def _build_repository(self, settings: Environment) -> None:
        repository = ecr.Repository(
            self,
            "Images",
            repository_name=f"cdk-sglang/{self._environment}",
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=self.key,
            removal_policy=kept_under_a_name(self._removal),
        )
        # The repository is deleted in only two cases: if a first deployment is rolled back, after which its images can be built again, and
        # if the environment's data are deleted. Neither may fail because of an image. CDK allows this only with DESTROY.
        resource = repository.node.default_child
        assert isinstance(resource, ecr.CfnRepository)
        resource.empty_on_delete = True
        self._publish("ImagesRepositoryName", "images-repository", repository.repository_name)
        logs_of_builds = LogOptions(
            retention_days=settings.data.log_retention_days, key=self.key, removal=self._removal
        )
        HelperFunctions(
            self,
            "Helpers",
            log_retention_days=settings.data.log_retention_days,
            log_key=self.key,
            log_removal=self._removal,
        )
        for name, specification in sorted(builds_of(settings).items()):
            try:
                build = ServingImageBuild(
                    self,
                    f"Build-{name}",
                    repository=repository,
                    base=specification.container_base,
                    log_options=logs_of_builds,
                    docker_hub=secret_named(
                        self,
                        f"DockerHub-{name}",
                        specification.docker_hub_secret,
                        kms_key=specification.docker_hub_kms_key,
                    ),
                )
            except FileNotFoundError as error:
                raise ConfigurationError([Problem("image.build", f"{error}")]) from None
            self._publish(f"Digest-{name}", name, build.image.digest)

    def _place_by_id(self, vpc: ec2.Vpc) -> None:
        """Set the zones of the subnets by id, if the settings do so: CDK's construct supports only names."""
        for subnet, zone in zip(vpc.isolated_subnets, self._zones or (), strict=bool(self._zones)):
            if is_zone_id(zone):
                resource = subnet.node.default_child
                assert isinstance(resource, ec2.CfnSubnet)
                resource.availability_zone_id = zone
                resource.add_property_deletion_override("AvailabilityZone")

    def _build_network(self, network: Network, services: Mapping[str, ec2.InterfaceVpcEndpointAwsService]) -> None:
        cidr = network.cidr or _DEFAULT_CIDR
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=self.availability_zones,
            nat_gateways=0,
            restrict_default_security_group=False,  # would need a custom resource; nothing uses that group
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Serving", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=None)
            ],
        )
        acknowledge(vpc, in_packs("VPCDefaultSecurityGroupClosed"), _DEFAULT_GROUP_UNUSED)
        self._place_by_id(vpc)
        if network.availability_zones is None:
            cdk.Annotations.of(self).add_info(_FIRST_ZONES)
        vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        inside = ec2.SecurityGroup(
            self, "EndpointAccess", vpc=vpc, description="VPC endpoints, from inside the VPC", allow_all_outbound=False
        )
        serving = ec2.SecurityGroup(self, "Serving", vpc=vpc, description="Model instances", allow_all_outbound=False)
        serving.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3 and the VPC endpoints; there is no route beyond"
        )
        inside.add_ingress_rule(serving, ec2.Port.tcp(443), "HTTPS from model instances")
        inside.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443), "HTTPS from callers in the VPC")
        for name, service in services.items():
            vpc.add_interface_endpoint(name, service=service, security_groups=[inside], open=False)
        flow_logs = logs.LogGroup(
            self, "FlowLogs", retention=self._retention, encryption_key=self.key, removal_policy=self._removal
        )
        flow_log = vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs))
        acknowledge_inline_policy(flow_log)
        trust_account_alone(flow_log.node.find_child("IAMRole"))
        self._publish(
            "SubnetIds", "subnet-ids", cdk.Fn.join(",", [subnet.subnet_id for subnet in vpc.isolated_subnets])
        )
        self._publish("SecurityGroupId", "security-group-id", serving.security_group_id)
