"""The faults that the checkers must find: each changes one value of a correct template.

`on` names a synthesised template of `environments/prod.yaml` by its stack, or a file of `snippets/` for resources that no
environment has. `at` is the resource type (its first resource by logical id is changed) and the path inside the resource; an
empty type means the path starts at the template's top. In values, `@Type` stands for the logical id of that type's first resource.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

REMOVED: Final = object()
"""Value of a fault that removes a property."""

ONE_TYPE: Final = "Serving-reasoning"
POOL: Final = "Serving-chat"
FOUNDATION: Final = "Foundation"
ADAPTER: Final = "adapter.json"
ROLLOUT: Final = "rollout.json"
SCALING: Final = "scaling.json"
SCHEDULE: Final = "schedule.json"
WORKFLOW: Final = "workflow.json"

_CONFIG: Final = "AWS::SageMaker::EndpointConfig"
_ENDPOINT: Final = "AWS::SageMaker::Endpoint"
_COMPONENT: Final = "AWS::SageMaker::InferenceComponent"
_MODEL: Final = "AWS::SageMaker::Model"
_ROLE: Final = "AWS::IAM::Role"
_POLICY: Final = "AWS::IAM::Policy"
_LOGS: Final = "AWS::Logs::LogGroup"
_TARGET: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
_SCALING_POLICY: Final = "AWS::ApplicationAutoScaling::ScalingPolicy"
_ALARM: Final = "AWS::CloudWatch::Alarm"
_TRUTH: Final = "Custom::CdkSglangTruth"
_SCHEDULE: Final = "AWS::Scheduler::Schedule"
_MACHINE: Final = "AWS::StepFunctions::StateMachine"

_VARIANT: Final = "Properties.ProductionVariants.0"
_SPEC: Final = "Properties.Specification"
_ENV: Final = "Properties.PrimaryContainer.Environment"
_S3: Final = "Properties.PrimaryContainer.ModelDataSource.S3DataSource"
_STATEMENT: Final = "Properties.PolicyDocument.Statement.0"
_TRACKING: Final = "Properties.TargetTrackingScalingPolicyConfiguration"
_DEPLOY: Final = "Properties.DeploymentConfig"
_ACTION: Final = "Properties.ScheduledActions.0"
_PART: Final = "Properties.DefinitionString.Fn::Join.1"


@dataclass(frozen=True)
class Fault:
    """One change of one template."""

    what: str
    on: str
    at: tuple[str, str]
    value: Any


FAULTS: Final = (
    # endpoint configuration
    Fault("routing strategy that does not exist", ONE_TYPE, (_CONFIG, f"{_VARIANT}.RoutingConfig.RoutingStrategy"), "LEAST_BUSY"),
    Fault("routing strategy only the API has", ONE_TYPE, (_CONFIG, f"{_VARIANT}.RoutingConfig.RoutingStrategy"), "KV_AWARE"),
    Fault("no routing", ONE_TYPE, (_CONFIG, f"{_VARIANT}.RoutingConfig"), REMOVED),
    Fault("routing without strategy", ONE_TYPE, (_CONFIG, f"{_VARIANT}.RoutingConfig"), {}),
    Fault("prefix routing without its settings", POOL, (_CONFIG, f"{_VARIANT}.RoutingConfig.PrefixAwareRoutingConfig"), REMOVED),
    Fault("prefix length out of range", POOL, (_CONFIG, f"{_VARIANT}.RoutingConfig.PrefixAwareRoutingConfig.PrefixLength"), 512),
    Fault("prefix routing on one instance", POOL, (_CONFIG, f"{_VARIANT}.ManagedInstanceScaling.MaxInstanceCount"), 1),
    Fault("inference AMI that does not exist", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InferenceAmiVersion"), "al2023-ami-sagemaker-inference-gpu-9-1"),
    Fault("no inference AMI", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InferenceAmiVersion"), REMOVED),
    Fault("no inference AMI on a pool", POOL, (_CONFIG, f"{_VARIANT}.InferenceAmiVersion"), REMOVED),
    Fault("instance type that does not exist", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InstanceType"), "ml.p5en.49xlarge"),
    Fault("instance type of EC2", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InstanceType"), "p5en.48xlarge"),
    Fault("pool type that does not exist", POOL, (_CONFIG, f"{_VARIANT}.InstancePools.1.InstanceType"), "ml.g6e.25xlarge"),
    Fault("pool priority out of range", POOL, (_CONFIG, f"{_VARIANT}.InstancePools.1.Priority"), 6),
    Fault("empty pool", POOL, (_CONFIG, f"{_VARIANT}.InstancePools"), []),
    Fault("no instances", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InitialInstanceCount"), 0),
    Fault("word for a number", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InitialInstanceCount"), "one"),
    Fault("variant without name", ONE_TYPE, (_CONFIG, f"{_VARIANT}.VariantName"), REMOVED),
    Fault("property that does not exist", ONE_TYPE, (_CONFIG, f"{_VARIANT}.InstanceTypes"), ["ml.p5en.48xlarge"]),
    Fault("property only the API has", ONE_TYPE, (_CONFIG, "Properties.CrossRegionTrafficConfig"), {"MaxCrossRegionPercentPerEndpoint": 10}),
    Fault("second variant", ONE_TYPE, (_CONFIG, "Properties.ProductionVariants.1"), {
        "VariantName": "Canary", "InstanceType": "ml.p5en.48xlarge", "InitialInstanceCount": 1,
        "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
        "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2},
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }),
    Fault("fewer instances at most than at least", ONE_TYPE, (_CONFIG, f"{_VARIANT}.ManagedInstanceScaling.MinInstanceCount"), 3),
    Fault("instances without upper bound", ONE_TYPE, (_CONFIG, f"{_VARIANT}.ManagedInstanceScaling.MaxInstanceCount"), REMOVED),
    Fault("no execution role", ONE_TYPE, (_CONFIG, "Properties.ExecutionRoleArn"), REMOVED),
    Fault("KMS key on a GPU type", ONE_TYPE, (_CONFIG, "Properties.KmsKeyId"), "alias/data"),
    Fault("KMS key on a pool of GPU types", POOL, (_CONFIG, "Properties.KmsKeyId"), "alias/data"),
    Fault("fixed configuration name", ONE_TYPE, (_CONFIG, "Properties.EndpointConfigName"), "prod-reasoning"),
    Fault("metrics frequency that is not offered", ONE_TYPE, (_CONFIG, "Properties.MetricsConfig.MetricPublishFrequencyInSeconds"), 45),
    Fault("metrics off", ONE_TYPE, (_CONFIG, "Properties.MetricsConfig.EnableEnhancedMetrics"), False),
    Fault("network without subnets", ONE_TYPE, (_CONFIG, "Properties.VpcConfig.Subnets"), REMOVED),
    Fault("untagged", ONE_TYPE, (_CONFIG, "Properties.Tags"), REMOVED),
    # endpoint
    Fault("endpoint without configuration", ONE_TYPE, (_ENDPOINT, "Properties.EndpointConfigName"), REMOVED),
    Fault("reference to a missing resource", ONE_TYPE, (_ENDPOINT, "Properties.EndpointConfigName"), {"Ref": "Nowhere"}),
    Fault("attribute that does not exist", ONE_TYPE, (_ENDPOINT, "Properties.EndpointConfigName"), {"Fn::GetAtt": [f"@{_CONFIG}", "Name"]}),
    Fault("endpoint name with an underscore", ONE_TYPE, (_ENDPOINT, "Properties.EndpointName"), "prod_reasoning"),
    Fault("cycle", ONE_TYPE, (_ROLE, "DependsOn"), [f"@{_CONFIG}"]),
    # inference component
    Fault("component without memory", ONE_TYPE, (_COMPONENT, f"{_SPEC}.ComputeResourceRequirements.MinMemoryRequiredInMb"), REMOVED),
    Fault("component of a pool without memory", POOL, (_COMPONENT, "Properties.Specifications.1.ComputeResourceRequirements.MinMemoryRequiredInMb"), REMOVED),
    Fault("component without GPUs", ONE_TYPE, (_COMPONENT, f"{_SPEC}.ComputeResourceRequirements.NumberOfAcceleratorDevicesRequired"), REMOVED),
    Fault("component with no GPU", ONE_TYPE, (_COMPONENT, f"{_SPEC}.ComputeResourceRequirements.NumberOfAcceleratorDevicesRequired"), 0),
    Fault("component without variant", ONE_TYPE, (_COMPONENT, "Properties.VariantName"), REMOVED),
    Fault("component without endpoint", ONE_TYPE, (_COMPONENT, "Properties.EndpointName"), REMOVED),
    Fault("component without count", ONE_TYPE, (_COMPONENT, "Properties.RuntimeConfig.CopyCount"), REMOVED),
    Fault("component with less than no copies", ONE_TYPE, (_COMPONENT, "Properties.RuntimeConfig.CopyCount"), -1),
    Fault("component name with an underscore", ONE_TYPE, (_COMPONENT, "Properties.InferenceComponentName"), "prod_qwen"),
    Fault("start-up time-out out of range", ONE_TYPE, (_COMPONENT, f"{_SPEC}.StartupParameters.ContainerStartupHealthCheckTimeoutInSeconds"), 7200),
    Fault("component for one type and for several", POOL, (_COMPONENT, _SPEC), {
        "ModelName": "m", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1},
    }),
    Fault("component on a type its pool lacks", POOL, (_COMPONENT, "Properties.Specifications.1.InstanceType"), "ml.g6e.48xlarge"),
    Fault("adapter with compute", ADAPTER, (_COMPONENT, f"{_SPEC}.ComputeResourceRequirements"), {"MinMemoryRequiredInMb": 1024}),
    Fault("adapter with copies", ADAPTER, (_COMPONENT, "Properties.RuntimeConfig"), {"CopyCount": 1}),
    Fault("adapter without files", ADAPTER, (_COMPONENT, f"{_SPEC}.Container"), REMOVED),
    # model
    Fault("API key in the environment", ONE_TYPE, (_MODEL, f"{_ENV}.SM_SGLANG_API_KEY"), "secret"),
    Fault("port in the environment", ONE_TYPE, (_MODEL, f"{_ENV}.SM_SGLANG_PORT"), "30000"),
    Fault("token in the environment", ONE_TYPE, (_MODEL, f"{_ENV}.HF_TOKEN"), "hf_0"),
    Fault("isolated model without weights", ONE_TYPE, (_MODEL, "Properties.PrimaryContainer.ModelDataSource"), REMOVED),
    Fault("compression that does not exist", ONE_TYPE, (_MODEL, f"{_S3}.CompressionType"), "Zip"),
    Fault("weights outside of S3", ONE_TYPE, (_MODEL, f"{_S3}.S3Uri"), "hf://Qwen/Qwen3-8B"),
    Fault("role that is not an ARN", ONE_TYPE, (_MODEL, "Properties.ExecutionRoleArn"), "reasoning-role"),
    # roles and logs
    Fault("action that does not exist", ONE_TYPE, (_POLICY, f"{_STATEMENT}.Action"), "logs:PutLogEvent"),
    Fault("effect that does not exist", ONE_TYPE, (_POLICY, f"{_STATEMENT}.Effect"), "Alow"),
    Fault("statement without resource", ONE_TYPE, (_POLICY, f"{_STATEMENT}.Resource"), REMOVED),
    Fault("resource that is not an ARN", ONE_TYPE, (_POLICY, f"{_STATEMENT}.Resource"), "/aws/sagemaker/Endpoints/prod-reasoning"),
    Fault("every action on everything", ONE_TYPE, (_POLICY, f"{_STATEMENT}.Action"), "*"),
    Fault("trust without condition", ONE_TYPE, (_ROLE, "Properties.AssumeRolePolicyDocument.Statement.0.Condition"), REMOVED),
    Fault("retention that is not offered", ONE_TYPE, (_LOGS, "Properties.RetentionInDays"), 42),
    Fault("logs kept for ever", ONE_TYPE, (_LOGS, "Properties.RetentionInDays"), REMOVED),
    # foundation and template
    Fault("invalid address range", FOUNDATION, ("AWS::EC2::VPC", "Properties.CidrBlock"), "10.64.0.0/33"),
    Fault("key that is never rotated", FOUNDATION, ("AWS::KMS::Key", "Properties.EnableKeyRotation"), REMOVED),
    Fault("bucket open to the world", FOUNDATION, ("AWS::S3::Bucket", "Properties.PublicAccessBlockConfiguration"), REMOVED),
    Fault("security group open to the world", FOUNDATION, ("AWS::EC2::SecurityGroup", "Properties.SecurityGroupIngress"), [
        {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0", "Description": "everyone"},
    ]),
    Fault("bucket policy that allows plain HTTP", FOUNDATION, ("AWS::S3::BucketPolicy", "Properties.PolicyDocument.Statement.0.Effect"), "Allow"),
    Fault("deletion policy that does not exist", FOUNDATION, ("AWS::KMS::Key", "DeletionPolicy"), "Keep"),
    Fault("resource type that does not exist", FOUNDATION, ("AWS::KMS::Key", "Type"), "AWS::KMS::Keys"),
    Fault("output of a missing resource", FOUNDATION, ("", "Outputs.Extra"), {"Value": {"Ref": "Nowhere"}}),
    # scaling
    Fault("fewer copies at most than at least", SCALING, (_TARGET, "Properties.MinCapacity"), 9),
    Fault("dimension that does not exist", SCALING, (_TARGET, "Properties.ScalableDimension"), "sagemaker:inference-component:CopyCount"),
    Fault("dimension of another service", SCALING, (_TARGET, "Properties.ScalableDimension"), "ecs:service:DesiredCount"),
    Fault("dimension of the variant", SCALING, (_TARGET, "Properties.ScalableDimension"), "sagemaker:variant:DesiredInstanceCount"),
    Fault("resource of another kind than the dimension's", SCALING, (_TARGET, "Properties.ResourceId"), "endpoint/chat/variant/AllTraffic"),
    Fault("metric that does not exist", SCALING, (_SCALING_POLICY, f"{_TRACKING}.PredefinedMetricSpecification.PredefinedMetricType"), "SageMakerInferenceComponentLatency"),
    Fault("metric of the variant", SCALING, (_SCALING_POLICY, f"{_TRACKING}.PredefinedMetricSpecification.PredefinedMetricType"), "SageMakerVariantInvocationsPerInstance"),
    Fault("tracking without target", SCALING, (_SCALING_POLICY, f"{_TRACKING}.TargetValue"), REMOVED),
    Fault("alarm dimension that is not published", SCALING, (_ALARM, "Properties.Dimensions.0.Name"), "GpuId"),
    Fault("comparison that does not exist", SCALING, (_ALARM, "Properties.ComparisonOperator"), "AtLeast"),
    Fault("alarm without evaluation periods", SCALING, (_ALARM, "Properties.EvaluationPeriods"), REMOVED),
    Fault("target of a missing component", POOL, (_TARGET, "Properties.ResourceId"), "inference-component/prod-nobody"),
    Fault("target of an adapter", ADAPTER, ("", "Resources.Target"), {"Type": _TARGET, "Properties": {
        "ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
        "ResourceId": "inference-component/chat-llama-triage", "MinCapacity": 1, "MaxCapacity": 2,
    }}),
    Fault("policy that names no target", SCALING, (_SCALING_POLICY, "Properties.ScalingTargetId"), REMOVED),
    Fault("policy of a missing target", POOL, (_SCALING_POLICY, "Properties.ResourceId"), "inference-component/prod-nobody"),
    Fault("schedule in the cron format of Unix", POOL, (_TARGET, f"{_ACTION}.Schedule"), "30 7 * * 1-5"),
    Fault("cron expression with two day fields", POOL, (_TARGET, f"{_ACTION}.Schedule"), "cron(30 7 * * MON *)"),
    Fault("cron expression with hour 25", POOL, (_TARGET, f"{_ACTION}.Schedule"), "cron(30 25 ? * MON *)"),
    Fault("invalid time zone", POOL, (_TARGET, f"{_ACTION}.Timezone"), "Berlin"),
    Fault("schedule that sets nothing", POOL, (_TARGET, f"{_ACTION}.ScalableTargetAction"), REMOVED),
    Fault("schedule with fewer copies at most than at least", POOL, (_TARGET, f"{_ACTION}.ScalableTargetAction.MinCapacity"), 9),
    Fault("alarm without dimensions", SCALING, (_ALARM, "Properties.Dimensions"), REMOVED),
    Fault("alarm on a metric that nobody publishes", SCALING, (_ALARM, "Properties.MetricName"), "NoCapacityFailures"),
    Fault("alarm on a metric of another namespace", SCALING, (_ALARM, "Properties.Namespace"), "/aws/sagemaker/InferenceComponents"),
    Fault("alarm on a unit that its metric lacks", SCALING, (_ALARM, "Properties.Unit"), "Seconds"),
    # capacity
    Fault("reservation of a pool", POOL, (_CONFIG, f"{_VARIANT}.CapacityReservationConfig"), {
        "CapacityReservationPreference": "capacity-reservations-only",
        "MlReservationArn": "arn:aws:sagemaker:us-east-1:111122223333:training-plan/p5",
    }),
    Fault("reservation without its plan", ONE_TYPE, (_CONFIG, f"{_VARIANT}.CapacityReservationConfig"), {
        "CapacityReservationPreference": "capacity-reservations-only",
    }),
    # rollout
    Fault("batch above half of the copies", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.RollingUpdatePolicy.MaximumBatchSize.Value"), 51),
    Fault("batch below a twentieth of the copies", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.RollingUpdatePolicy.MaximumBatchSize.Value"), 4),
    Fault("batch of a kind that does not exist", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.RollingUpdatePolicy.MaximumBatchSize.Type"), "INSTANCES"),
    Fault("component that rolls without alarms", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.AutoRollbackConfiguration"), REMOVED),
    Fault("component that rolls with an empty list of alarms", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.AutoRollbackConfiguration.Alarms"), []),
    Fault("rollback alarm of another stack", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.AutoRollbackConfiguration.Alarms.0.AlarmName"), "nobody"),
    Fault("missing rollback alarm", ROLLOUT, (_COMPONENT, f"{_DEPLOY}.AutoRollbackConfiguration.Alarms.0.AlarmName"), {"Ref": "Nowhere"}),
    Fault("endpoint that shifts traffic without alarms", ROLLOUT, (_ENDPOINT, f"{_DEPLOY}.AutoRollbackConfiguration"), REMOVED),
    Fault("blue/green and rolling at once", ROLLOUT, (_ENDPOINT, f"{_DEPLOY}.RollingUpdatePolicy"), {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 25}, "WaitIntervalInSeconds": 300,
    }),
    Fault("traffic routing type that does not exist", ROLLOUT, (_ENDPOINT, f"{_DEPLOY}.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.Type"), "HALF"),
    Fault("update that resets the instance count", ROLLOUT, (_ENDPOINT, "Properties.RetainAllVariantProperties"), REMOVED),
    Fault("endpoint without verification", ONE_TYPE, (_TRUTH, "Type"), "Custom::SomethingElse"),
    # schedule
    Fault("schedule without dead-letter queue", SCHEDULE, (_SCHEDULE, "Properties.Target.DeadLetterConfig"), REMOVED),
    Fault("invalid schedule expression", SCHEDULE, (_SCHEDULE, "Properties.ScheduleExpression"), "every hour"),
    # state machine
    Fault("transition to a missing state", WORKFLOW, (_MACHINE, f"{_PART}.4"), '"Wait":{"Type":"Wait","Seconds":60,"Next":"Stat"},"Done":{"Type":"Succeed"}}}'),
    Fault("state of a type that does not exist", WORKFLOW, (_MACHINE, f"{_PART}.4"), '"Wait":{"Type":"Sleep","Seconds":60,"Next":"Start"},"Done":{"Type":"Succeed"}}}'),
    Fault("definition that is not JSON", WORKFLOW, (_MACHINE, f"{_PART}.4"), '"Wait":{"Type":"Wait","Seconds":60,"Next":"Start"},"Done":{"Type":"Succeed"}}'),
)  # fmt: skip
