"""The current deployment, as SageMaker describes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError

from cdk_sglang.benchmarking.result import Deployed
from cdk_sglang.benchmarking.target import Target

_OPTIONS: Final = "SM_SGLANG_"
"""Prefix of the variables with SGLang's options in both images."""
_IN_SERVICE: Final = "InService"


def describe(sagemaker: Any, target: Target) -> Deployed:
    """Return the deployment that answers requests to a component.

    Args:
        sagemaker: Client of SageMaker.
        target: The component.

    Raises:
        botocore.exceptions.ClientError: Endpoint or component do not exist, or may not be described.
    """
    endpoint = sagemaker.describe_endpoint(EndpointName=target.endpoint_name)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    component = sagemaker.describe_inference_component(InferenceComponentName=target.component_name)
    specification = component["Specification"]
    container = _container(sagemaker, specification)
    options = {name: value for name, value in container["environment"].items() if name.startswith(_OPTIONS)}
    text = json.dumps(options, sort_keys=True)
    resources = specification.get("ComputeResourceRequirements", {})
    return Deployed(
        instance=_instance(config["ProductionVariants"][0]),
        instances=int(endpoint["ProductionVariants"][0].get("CurrentInstanceCount") or 0),
        copies=int(component.get("RuntimeConfig", {}).get("CurrentCopyCount") or 0),
        gpus=int(resources.get("NumberOfAcceleratorDevicesRequired") or 0),
        image=container["image"],
        sglang_version=target.sglang_version,
        options=text,
        options_hash=hashlib.sha256(text.encode()).hexdigest()[:12],
        model=target.model,
        model_revision=container["place"] or target.model_revision,
    )


def copies_now(sagemaker: Any, target: Target) -> int | None:
    """Return the number of copies that SageMaker reports; None if it reports none or cannot be queried.

    Copies that SageMaker does not report yet, or no longer reports, may still answer, so no reported copy does not mean no copy.

    Args:
        sagemaker: Client of SageMaker.
        target: The component.
    """
    try:
        found = sagemaker.describe_inference_component(InferenceComponentName=target.component_name)
    except (sagemaker.exceptions.ClientError, BotoCoreError):
        return None
    return int(found.get("RuntimeConfig", {}).get("CurrentCopyCount") or 0) or None


def has_ended(sagemaker: Any, target: Target) -> str | None:
    """Return in words that endpoint or component are gone or out of service; None while both serve, or if SageMaker cannot be queried.

    Args:
        sagemaker: Client of SageMaker.
        target: The component.
    """
    calls = (
        (target.endpoint_name, "EndpointStatus", sagemaker.describe_endpoint, "EndpointName"),
        (
            target.component_name,
            "InferenceComponentStatus",
            sagemaker.describe_inference_component,
            "InferenceComponentName",
        ),
    )
    for name, status, call, parameter in calls:
        try:
            found = call(**{parameter: name})[status]
        except sagemaker.exceptions.ClientError as error:
            message = error.response.get("Error", {}).get("Message", "")
            if "Could not find" in message:
                return f"{name} does not exist any more"
            return None
        except BotoCoreError:  # not reached, or signed out meanwhile
            return None
        if found not in {_IN_SERVICE, "Updating", "SystemUpdating"}:
            return f"{name} is {found}"
    return None


def _container(sagemaker: Any, specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return image, environment and place of the weights, of the component's own container or of its model."""
    if "ModelName" in specification:
        model = sagemaker.describe_model(ModelName=specification["ModelName"])
        container = model.get("PrimaryContainer") or model["Containers"][0]
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        return {
            "image": container.get("Image", ""),
            "environment": container.get("Environment", {}),
            "place": source.get("S3Uri") or container.get("ModelDataUrl", ""),
        }
    container = specification.get("Container", {})
    image = container.get("DeployedImage", {})
    return {
        "image": image.get("ResolvedImage") or image.get("SpecifiedImage") or container.get("Image", ""),
        "environment": container.get("Environment", {}),
        "place": container.get("ArtifactUrl", ""),
    }


def _instance(variant: Mapping[str, Any]) -> str:
    pools = [pool["InstanceType"] for pool in variant.get("InstancePools", ())]
    return "+".join(pools) if pools else str(variant.get("InstanceType", ""))
