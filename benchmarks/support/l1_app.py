"""The resources of `library_app.py` as plain typed L1s, written as somebody without the library would; prints the seconds it took.

Functions get their code as assets, without which nothing could be deployed; the folders are those of the library's own output.

Policy documents are taken from the library's template, since nobody needs to write those with constructs. What is the same for
all components is read from CDK once, and tags are plain lists: the cheapest way there is.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from l1_templates import policies_of, typed

if TYPE_CHECKING:  # the clock starts before aws_cdk is imported
    from aws_cdk import Stack

_ONCE: Final = ("CdkSglang", "ChatIdle")
"""Beginnings of the ids of what there is once, however many components there are: the functions that check weights and deployments,
and an alarm. Made from the library's template."""


def main(count: int, outdir: str, template: str) -> None:  # noqa: PLR0915  as long as the template that it makes
    """Build and synthesise; the clock starts before aws_cdk is imported, and reading the template is not on it."""
    resources: dict[str, Any] = json.loads(Path(template).read_text(encoding="utf-8"))["Resources"]
    check = {name: resource for name, resource in resources.items() if name.startswith(_ONCE)}
    verification = _verification(resources, check)
    policies = policies_of([resource for name, resource in resources.items() if name not in check])
    begin = time.perf_counter()
    import aws_cdk as cdk
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_sagemaker as sagemaker

    imported = time.perf_counter()
    app = cdk.App(outdir=outdir)
    stack = cdk.Stack(app, "Bench", env=cdk.Environment(account="111122223333", region="us-east-1"))
    tags = [cdk.CfnTag(key="cdk-sglang:endpoint", value="bench")]

    def log_group(construct_id: str, name: str, group_tags: list[cdk.CfnTag]) -> logs.CfnLogGroup:
        group = logs.CfnLogGroup(stack, construct_id, log_group_name=name, retention_in_days=30, tags=group_tags)
        group.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        return group

    (trust,) = policies["trust"]
    role = iam.CfnRole(
        stack,
        "Role",
        assume_role_policy_document=trust,
        description="Runs one SageMaker endpoint: its image, weights, logs and metrics",
        tags=tags,
    )
    role_arn, role_name = role.attr_arn, role.ref
    attached: list[cdk.CfnResource] = [
        iam.CfnPolicy(
            stack, f"Inline{index}", policy_document=document, policy_name=f"inline{index}", roles=[role_name]
        )
        for index, document in enumerate(policies["inline"])
    ]
    attached += [
        iam.CfnManagedPolicy(stack, f"Overflow{index}", policy_document=document, roles=[role_name])
        for index, document in enumerate(policies["managed"])
    ]
    endpoint_config = sagemaker.CfnEndpointConfig
    config = sagemaker.CfnEndpointConfig(
        stack,
        "Config",
        execution_role_arn=role_arn,
        enable_network_isolation=True,
        production_variants=[
            endpoint_config.ProductionVariantProperty(
                variant_name="AllTraffic",
                instance_type="ml.g6e.48xlarge",
                initial_instance_count=1,
                inference_ami_version="al2023-ami-sagemaker-inference-gpu-4-1",
                managed_instance_scaling=endpoint_config.ManagedInstanceScalingProperty(
                    status="ENABLED", min_instance_count=1, max_instance_count=count
                ),
                routing_config=endpoint_config.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS"),
            )
        ],
        metrics_config=endpoint_config.MetricsConfigProperty(
            enable_enhanced_metrics=True, enable_detailed_observability=True, metric_publish_frequency_in_seconds=60
        ),
        tags=tags,
    )
    checked = _made_once(
        stack,
        _with_assets(stack, check, Path(template).parent),
        {
            "AWS::CloudWatch::Alarm": cloudwatch.CfnAlarm,
            "AWS::IAM::Role": iam.CfnRole,
            "AWS::IAM::Policy": iam.CfnPolicy,
            "AWS::IAM::ManagedPolicy": iam.CfnManagedPolicy,
            "AWS::Lambda::Function": lambda_.CfnFunction,
            "AWS::Logs::LogGroup": logs.CfnLogGroup,
        },
    )
    needed_by_role = [role, *attached]
    needed_by_model = [
        *needed_by_role,
        *(checked[name] for name in check if check[name]["Type"].startswith("Custom::")),
    ]
    config.node.add_dependency(*needed_by_role)
    endpoint = sagemaker.CfnEndpoint(
        stack,
        "Endpoint",
        endpoint_name="bench",
        endpoint_config_name=config.attr_endpoint_config_name,
        retain_all_variant_properties=True,
        tags=tags,
    )
    endpoint.add_resource_dependency(log_group("Logs", "/aws/sagemaker/Endpoints/bench", tags))
    image = f"763104351884.dkr.ecr.us-east-1.{cdk.Aws.URL_SUFFIX}/sglang:0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"
    endpoint_name = endpoint.attr_endpoint_name
    component = sagemaker.CfnInferenceComponent
    component_checks: list[dict[str, Any]] = []
    deployed: list[cdk.CfnResource] = []
    for index in range(count):
        own_tags = [cdk.CfnTag(key="cdk-sglang:component", value=f"m{index}"), *tags]
        group = log_group(f"Logs{index}", f"/aws/sagemaker/InferenceComponents/bench-m{index}", own_tags)
        model = sagemaker.CfnModel(
            stack,
            f"Model{index}",
            execution_role_arn=role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image,
                environment={"SM_SGLANG_CONTEXT_LENGTH": "16384", "SM_SGLANG_ENABLE_METRICS": "true"},
                model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
                    s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                        s3_uri=f"s3://models/m{index}/", s3_data_type="S3Prefix", compression_type="None"
                    )
                ),
            ),
            tags=own_tags,
        )
        model.node.add_dependency(*needed_by_model)
        model_name = model.attr_model_name
        inference_component = sagemaker.CfnInferenceComponent(
            stack,
            f"Component{index}",
            inference_component_name=f"bench-m{index}",
            endpoint_name=endpoint_name,
            variant_name="AllTraffic",
            runtime_config=component.InferenceComponentRuntimeConfigProperty(copy_count=1),
            specification=component.InferenceComponentSpecificationProperty(
                model_name=model_name,
                compute_resource_requirements=component.InferenceComponentComputeResourceRequirementsProperty(
                    number_of_accelerator_devices_required=1,
                    number_of_cpu_cores_required=12,
                    min_memory_required_in_mb=98304,
                ),
                startup_parameters=component.InferenceComponentStartupParametersProperty(
                    model_data_download_timeout_in_seconds=3600, container_startup_health_check_timeout_in_seconds=3600
                ),
            ),
            tags=own_tags,
        )
        inference_component.add_resource_dependency(group)
        component_checks.append({"name": f"bench-m{index}", "model": model_name, **verification.component})
        deployed.append(inference_component)
    begins = next(name for name in checked if "TruthProviderframeworkonEvent" in name)
    same = {"config": config.attr_endpoint_config_name, "image": image}
    _check_deployment(
        stack,
        verification,
        service_token=checked[begins].attr_arn,
        same=same,
        deployed=[endpoint, *deployed],
        component_checks=component_checks,
        first=[checked[name] for name in verification.first],
    )
    app.synth()
    end = time.perf_counter()
    print(f"{imported - begin:.3f} {end - imported:.3f}")


def _with_assets(stack: Stack, check: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the resources with the code of each function staged as an asset, one asset for all that share it."""
    from aws_cdk import aws_s3_assets as assets

    keys: dict[str, dict[str, str]] = {}
    resources = {}
    for name, resource in check.items():
        code = resource.get("Properties", {}).get("Code")
        if code is None:
            resources[name] = resource
            continue
        digest = code["S3Key"].removesuffix(".zip")
        if digest not in keys:
            asset = assets.Asset(stack, f"Code{len(keys)}", path=str(folder / f"asset.{digest}"))
            keys[digest] = {"S3Bucket": asset.s3_bucket_name, "S3Key": asset.s3_object_key}
        resources[name] = {**resource, "Properties": {**resource["Properties"], "Code": keys[digest]}}
    return resources


def _made_once(stack: Stack, check: dict[str, Any], classes: dict[str, Any]) -> dict[str, Any]:
    import aws_cdk as cdk

    resources: dict[str, Any] = {}
    for name, resource in check.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        resources[name] = (
            classes[kind](stack, name, **typed(properties, cdk.Token.as_string))
            if kind in classes
            else cdk.CfnResource(stack, name, type=kind, properties=properties)
        )
    for name, resource in check.items():
        if "DeletionPolicy" in resource:
            retain = resource["DeletionPolicy"] == "Retain"
            resources[name].apply_removal_policy(cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY)
        if "DependsOn" in resource:
            resources[name].node.add_dependency(*(resources[other] for other in resource["DependsOn"]))
    return resources


class _Verification(NamedTuple):
    """What the check of a deployment says of every endpoint and component alike."""

    per_resource: int
    endpoint: dict[str, Any]
    smoke: dict[str, Any]
    component: dict[str, Any]
    first: list[str]
    """What is there once and has to be made before, such as a policy of the function that checks."""


def _verification(resources: dict[str, Any], once: dict[str, Any]) -> _Verification:
    checks = [r for r in resources.values() if r["Type"] == "Custom::CdkSglangTruth"]
    texts = [check["Properties"]["Asked"]["Fn::Join"][1] for check in checks]
    parts = [json.loads("".join(part if isinstance(part, str) else "" for part in text)) for text in texts]
    (first,) = (part for part in parts if part["part"] == 0)
    component = {key: value for key, value in first["components"][0].items() if key not in {"name", "model"}}
    return _Verification(
        len(first["components"]),
        {"timeout_seconds": first["timeout_seconds"]},
        first["smoke"],
        component,
        [name for name in checks[0]["DependsOn"] if name in once],
    )


def _check_deployment(
    stack: Stack,
    verification: _Verification,
    *,
    service_token: str,
    same: dict[str, str],
    deployed: list[Any],
    component_checks: list[dict[str, Any]],
    first: list[Any],
) -> None:
    import aws_cdk as cdk

    endpoint, *components = deployed
    for part, begin in enumerate(range(0, len(component_checks), verification.per_resource)):
        last = begin + verification.per_resource
        everything = {
            "endpoint": "bench",
            "config": same["config"],
            "part": part,
            **verification.endpoint,
            "image": same["image"],
            "smoke": verification.smoke,
            "components": component_checks[begin:last],
        }
        cdk.CfnResource(
            stack,
            f"Truth{part}",
            type="Custom::CdkSglangTruth",
            properties={
                "ServiceToken": service_token,
                "ServiceTimeout": 3600,
                "Asked": stack.to_json_string(everything),
            },
        ).node.add_dependency(endpoint, *first, *components[begin:last])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
