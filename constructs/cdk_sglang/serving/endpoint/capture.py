"""Data capture of an endpoint: a sample of requests and answers, kept in the weights bucket to train a draft on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.drafts import captured_prefix
from cdk_sglang.serving.shared.own_policy import give

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import aws_s3 as s3

    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.component.context import EndpointContext

_FILES: Final = "SageMaker names the files of a capture after hour and instance"


def keep_sample(
    endpoint: EndpointContext,
    config: sagemaker.CfnEndpointConfig,
    components: Iterable[InferenceComponent],
    *,
    bucket: s3.IBucket | None,
) -> None:
    """Turn on data capture if any component trains on it, with the largest percentage that a component requests: capture is set per endpoint.

    Args:
        endpoint: The endpoint.
        config: Its configuration.
        components: Its components so far.
        bucket: Bucket of the sample.
    """
    trainings = [speculative.eagle for one in components if (speculative := one.plan.component.speculative) is not None]
    percents = [training.capture_percent for training in trainings if training is not None and training.is_captured]
    if not percents or bucket is None:
        return
    cfn, prefix, key = sagemaker.CfnEndpointConfig, captured_prefix(endpoint.name), bucket.encryption_key
    if config.data_capture_config is None:
        _allow(endpoint, bucket, f"{bucket.bucket_arn}/{prefix}*")
        cdk.Annotations.of(endpoint.scope).add_info(
            f"a sample of this endpoint's requests and answers is kept below {prefix} of the weights bucket, to train a draft on; whoever may "
            "read the bucket may read them"
        )
    config.data_capture_config = cfn.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=max(percents),
        # SageMaker appends the endpoint's name.
        destination_s3_uri=f"s3://{bucket.bucket_name}/{prefix.partition('/')[0]}",
        kms_key_id=None if key is None else key.key_arn,
        capture_options=[cfn.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")],
        # Text instead of base64:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
        capture_content_type_header=cfn.CaptureContentTypeHeaderProperty(json_content_types=["application/json"]),
    )


def _allow(endpoint: EndpointContext, bucket: s3.IBucket, files: str) -> None:
    role = endpoint.role
    give(role, iam.PolicyStatement(actions=list(permissions.WRITE_CAPTURE), resources=[files]))
    if bucket.encryption_key is not None:
        give(role, iam.PolicyStatement(actions=list(permissions.ENCRYPT), resources=[bucket.encryption_key.key_arn]))
    acknowledge_wildcards(endpoint.scope, role, [files], _FILES)
