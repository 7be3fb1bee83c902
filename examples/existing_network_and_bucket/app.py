"""An endpoint in an existing VPC, with weights in an existing bucket and logs encrypted with an existing key."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_sglang import (
    Capacity,
    EndpointNetwork,
    HelperFunctions,
    InferenceEndpoint,
    ModelSource,
    ServingImage,
    SglangOptions,
)

app = cdk.App()
stack = cdk.Stack(app, "Assistants", env=cdk.Environment(account="111122223333", region="us-east-1"))

vpc = ec2.Vpc.from_vpc_attributes(
    stack,
    "Vpc",
    vpc_id="vpc-0123456789abcdef0",
    availability_zones=["us-east-1a", "us-east-1b"],
    isolated_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
)
group = ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-0123456789abcdef0")
key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555")
bucket = s3.Bucket.from_bucket_attributes(stack, "Models", bucket_name="my-models", encryption_key=key)

HelperFunctions(stack, "Helpers", log_key=key)
endpoint = InferenceEndpoint(
    stack,
    "Chat",
    capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=2),
    image=ServingImage.from_dlc(),
    network=EndpointNetwork.of(
        vpc, subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED), security_groups=[group]
    ),
    log_key=key,
)
endpoint.add_component(
    "llama",
    model=ModelSource.from_bucket(bucket, "llama-3.2-3b-instruct/", weights_size=cdk.Size.gibibytes(6)),
    server=SglangOptions(context_length=16384),
)
app.synth()
