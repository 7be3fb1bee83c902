"""Where weights come from."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Match, Template

from cdk_sglang import ConfigurationError, InferenceComponent, ModelSource
from cdk_sglang.spec.model import Model
from tests.support.policies import policies_of

MakeComponent = Callable[..., InferenceComponent]
KEY = "arn:aws:kms:us-east-1:444455556666:key/0e1c0a5e-0000-4000-8000-000000000000"
THROUGH_S3 = {"Fn::Join": ["", ["s3.us-east-1.", {"Ref": "AWS::URLSuffix"}]]}


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("https://models/llama/", "model.s3: 'https://models/llama/' is not an S3 URI; use s3://bucket/prefix/"),
        ("hf://meta-llama/x", "model.s3: 'hf://meta-llama/x' is not an S3 URI; use s3://bucket/prefix/"),
        ("s3://UPPER/llama/", "model.s3: 's3://UPPER/llama/' is not an S3 URI; use s3://bucket/prefix/"),
        ("s3://models", "model.s3: 's3://models' is not an S3 URI; use s3://bucket/prefix/"),
        ("", "model.s3: '' is not an S3 URI; use s3://bucket/prefix/"),
        (
            "s3://models/",
            "model.s3: the prefix is empty, so the whole bucket would be the model; use one, such as 'weights/llama/'",
        ),
        (
            "s3://models/llama.tar.gz",
            "model.s3: 's3://models/llama.tar.gz' is an archive; put the files uncompressed under a prefix, such as s3://bucket/model/",
        ),
        (
            "s3://models//llama/",
            "model.s3: '/llama/' has an empty part; write it without leading or double slashes",
        ),
        (
            "s3://models/*/",
            (
                "model.s3: '*/' has '*', which IAM policies or S3 clients read as something else; "
                "use letters, digits and ! - _ . ' ( ) = + @ , : &"
            ),
        ),
    ],
)
def test_rejects_what_is_no_prefix_of_files_in_s3(uri: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        ModelSource.from_s3(uri)
    assert error.value.problems == (problem,)


@pytest.mark.parametrize("prefix", ["weights/${aws:username}/", "weights/?/", "weights/a\nb/", "weights/a b/"])
def test_rejects_a_prefix_that_a_policy_would_read_as_something_else(stack: cdk.Stack, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="which IAM policies or S3 clients read as something else"):
        ModelSource.from_bucket(s3.Bucket(stack, "Weights"), prefix)


def test_rejects_an_empty_and_an_endless_prefix(stack: cdk.Stack) -> None:
    bucket = s3.Bucket(stack, "Weights")
    with pytest.raises(ConfigurationError, match=r"^model\.prefix: the prefix is empty"):
        ModelSource.from_bucket(bucket, "/")
    with pytest.raises(ConfigurationError, match=r"^model\.prefix: the prefix has 901 characters; use 900 or fewer$"):
        ModelSource.from_bucket(bucket, "a" * 901)


def test_a_uri_must_be_known_at_synth(stack: cdk.Stack) -> None:
    name = cdk.CfnParameter(stack, "Bucket").value_as_string
    with pytest.raises(ConfigurationError) as error:
        ModelSource.from_s3(f"s3://{name}/llama/")
    assert error.value.problems == (
        "model.s3: the URI must be known at synth, got a token; use ModelSource.from_bucket(bucket, prefix)",
    )


def test_weights_in_s3_are_mounted_as_uncompressed_files(any_component: MakeComponent, stack: cdk.Stack) -> None:
    any_component(model=ModelSource.from_s3("s3://models/llama"))
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "PrimaryContainer": {
                "ModelDataSource": {
                    "S3DataSource": {
                        "S3Uri": "s3://models/llama/",
                        "S3DataType": "S3Prefix",
                        "CompressionType": "None",
                    }
                }
            }
        },
    )


def test_the_role_may_read_the_prefix_and_nothing_beside_it(any_component: MakeComponent, stack: cdk.Stack) -> None:
    any_component(model=ModelSource.from_s3("s3://models/llama"))
    template = Template.from_stack(stack)
    arn = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::models"]]}
    files = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::models/llama/*"]]}
    (role,) = (one for name, one in policies_of(template).items() if name.startswith("ChatExecutionRole"))
    read, listed = (one for one in role["Properties"]["PolicyDocument"]["Statement"] if "s3:" in one["Action"])
    assert read == {"Action": "s3:GetObject", "Effect": "Allow", "Resource": files}
    assert listed == {
        "Action": "s3:ListBucket",
        "Condition": {"StringLike": {"s3:prefix": ["llama/*"]}},
        "Effect": "Allow",
        "Resource": arn,
    }
    assert "kms:Decrypt" not in str(template.to_json())


def test_a_buckets_key_comes_with_it(any_component: MakeComponent, stack: cdk.Stack) -> None:
    key = kms.Key(stack, "Key")
    bucket = s3.Bucket(stack, "Weights", encryption=s3.BucketEncryption.KMS, encryption_key=key)
    any_component(model=ModelSource.from_bucket(bucket, "weights/llama"))
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Action": "kms:Decrypt",
                            "Condition": {"StringEquals": {"kms:ViaService": THROUGH_S3}},
                            "Effect": "Allow",
                            "Resource": stack.resolve(key.key_arn),
                        }
                    ]
                )
            }
        },
    )
    model = next(iter(template.find_resources("AWS::SageMaker::Model").values()))["Properties"]
    assert model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"] == {
        "Fn::Join": ["", ["s3://", stack.resolve(bucket.bucket_name), "/weights/llama/"]]
    }


def test_a_key_can_be_named_for_a_bucket_of_another_account(any_component: MakeComponent, stack: cdk.Stack) -> None:
    arn = "arn:aws:kms:us-east-1:444455556666:key/0e1c0a5e-0000-4000-8000-000000000000"
    any_component(model=ModelSource.from_s3("s3://models/llama", key=kms.Key.from_key_arn(stack, "Key", arn)))
    assert arn in str(policies_of(Template.from_stack(stack)))


def test_every_role_that_reads_files_of_a_model_may_use_the_key_of_its_bucket(
    any_component: MakeComponent, stack: cdk.Stack
) -> None:
    any_component(model=ModelSource(Model(s3="s3://models/llama/", kms_key=KEY)))
    assert roles_with_key(Template.from_stack(stack), "s3") == {
        "ChatExecutionRole",
        "CdkSglangWeightsCheckFunctionRole",
    }


def test_a_key_can_be_named_for_a_bucket_that_was_imported_by_name(
    any_component: MakeComponent, stack: cdk.Stack
) -> None:
    bucket = s3.Bucket.from_bucket_name(stack, "Models", "models")
    any_component(model=ModelSource.from_bucket(bucket, "llama/", key=kms.Key.from_key_arn(stack, "Key", KEY)))
    assert roles_with_key(Template.from_stack(stack), "s3") == {
        "ChatExecutionRole",
        "CdkSglangWeightsCheckFunctionRole",
    }


@pytest.mark.parametrize("key_source", ["by the secret", "by the specification"])
def test_the_build_may_use_the_key_of_the_secret(
    any_component: MakeComponent, stack: cdk.Stack, key_source: str
) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:hub-AbCdEf"
    of_secret = key_source == "by the secret"
    token = secretsmanager.Secret.from_secret_attributes(
        stack,
        "Hub",
        secret_complete_arn=arn,
        encryption_key=kms.Key.from_key_arn(stack, "HubKey", KEY) if of_secret else None,
    )
    model = Model(
        hugging_face="Qwen/Qwen3-8B",
        revision="0" * 40,
        token_secret=None if of_secret else "hub",
        token_kms_key=None if of_secret else KEY,
    )
    any_component(model=ModelSource(model, bucket=s3.Bucket(stack, "Weights"), token=token))
    assert roles_with_key(Template.from_stack(stack), "secretsmanager") == {"CdkSglangStagingProjectRole"}


def roles_with_key(template: Template, service: str) -> set[str]:
    """Return the roles that may decrypt with KEY through a service, by their logical ids without the digest."""
    through = {"Fn::Join": ["", [f"{service}.us-east-1.", {"Ref": "AWS::URLSuffix"}]]}
    statement = {
        "Action": "kms:Decrypt",
        "Condition": {"StringEquals": {"kms:ViaService": through}},
        "Effect": "Allow",
        "Resource": KEY,
    }
    return {
        role["Ref"][:-8]
        for policy in policies_of(template).values()
        if statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for role in policy["Properties"]["Roles"]
    }


def test_a_size_known_only_at_deployment_counts_as_unknown(stack: cdk.Stack) -> None:
    size = cdk.Size.gibibytes(cdk.CfnParameter(stack, "Gib", type="Number").value_as_number)
    assert ModelSource.from_s3("s3://models/llama", weights_size=size).weights_bytes is None
    assert ModelSource.from_s3("s3://models/llama", weights_size=cdk.Size.gibibytes(2)).weights_bytes == 2 * 1024**3
    assert ModelSource.from_s3("s3://models/llama").weights_bytes is None


def test_a_prefix_known_only_at_deployment_is_not_measured(any_component: MakeComponent, stack: cdk.Stack) -> None:
    prefix = cdk.CfnParameter(stack, "Prefix").value_as_string
    any_component(model=ModelSource.from_bucket(s3.Bucket(stack, "Weights"), prefix))
    assert {"Ref": "Prefix"} in next(iter(Template.from_stack(stack).find_resources("AWS::SageMaker::Model").values()))[
        "Properties"
    ]["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]["Fn::Join"][1]


@pytest.mark.parametrize("model", [Model(prefix="llama/"), Model(hugging_face="Qwen/Qwen3-8B", revision="a" * 40)])
def test_a_specification_without_a_bucket_of_its_own_needs_one(stack: cdk.Stack, model: Model) -> None:
    with pytest.raises(ConfigurationError) as error:
        ModelSource(model)
    assert error.value.problems == (
        "model.bucket: missing; give the bucket of prefix, or that hugging_face is copied to",
    )
    assert ModelSource(model, bucket=s3.Bucket(stack, "Weights")).repository == model.hugging_face


def test_a_size_beyond_any_model_is_refused_in_the_words_of_an_environment_file() -> None:
    with pytest.raises(ConfigurationError) as error:
        ModelSource.from_s3("s3://models/llama", weights_size=cdk.Size.tebibytes(5))
    assert error.value.problems == ("model.weights_gib: 5120.0 is not allowed; use a value <= 4096",)
