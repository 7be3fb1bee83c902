"""CloudFormation's configuration of asynchronous Lambda invocations."""

from __future__ import annotations

from typing import Any

from moto.awslambda.utils import get_backend

from localcloud.aws.cloudformation.resources.base import Resource


class EventInvokeConfig(Resource):
    """AWS::Lambda::EventInvokeConfig: retries and destinations of asynchronous invocations."""

    TYPE = "AWS::Lambda::EventInvokeConfig"

    def _create(self) -> None:
        properties = self.properties
        numbers = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
        config: dict[str, Any] = {key: int(properties[key]) for key in numbers if key in properties}
        if "DestinationConfig" in properties:
            config["DestinationConfig"] = properties["DestinationConfig"]
        backend = get_backend(self.account, self.region)
        backend.get_function(properties["FunctionName"]).event_invoke_config = []
        backend.put_function_event_invoke_config(properties["FunctionName"], config)
        self.physical_resource_id = f"{properties['FunctionName']}|{properties['Qualifier']}"

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        get_backend(self.account, self.region).get_function(self.properties["FunctionName"]).event_invoke_config = []
