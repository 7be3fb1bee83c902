"""One endpoint of an environment with its components: wiring and outputs only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang import (
    Alarms,
    ConfigurationError,
    EndpointNetwork,
    InferenceEndpoint,
    NoAlarms,
    ServingImage,
    SglangDlc,
)
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.planning.own import Own
from cdk_sglang.spec.image import Image
from stacks.models import add_adapters, digest_parameter, model_source, needs_bucket
from stacks.naming import endpoint_name, parameter_name
from stacks.options import StackOptions
from stacks.settings import Environment

_LOG_REMOVAL: Final = {"retain": cdk.RemovalPolicy.RETAIN, "destroy": cdk.RemovalPolicy.DESTROY}


class ServingStack(cdk.Stack):
    """An endpoint, and the models that share its instances.

    Raises:
        ConfigurationError: Everything wrong with the endpoint and its components, with paths as in the settings file.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        name: str,
        settings: Environment,
        own: Own,
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._environment = environment
        self._settings = settings
        asked = settings.endpoints[name]
        key = self._read_key()
        bucket = self._read_bucket(key) if any(map(needs_bucket, asked.components.values())) else None
        problems: list[Problem] = []
        image = self._image(asked.image or settings.image)
        physical_name = endpoint_name(environment, name)
        endpoint: InferenceEndpoint | None = None
        with _under("endpoints", collect=problems):
            endpoint = InferenceEndpoint(
                self,
                name,
                capacity=asked.capacity,
                image=image,
                routing=asked.routing,
                network=self._network(),
                network_isolation=asked.network_isolation,
                endpoint_name=physical_name,
                log_retention_days=settings.data.log_retention_days,
                log_key=key,
                log_removal=_LOG_REMOVAL[settings.data.on_delete],
                metric_frequency_seconds=asked.metric_frequency_seconds,
                alarms=self._alarms(),
                idle_alarm=asked.idle_alarm,
                nightly_stop=asked.nightly_stop,
                rollout=asked.rollout,
                verification=asked.verify,
            )
        if endpoint is None:  # in a stack of its own, so that the mistakes of the components come out in the same run
            with _under("endpoints", collect=problems):
                endpoint = InferenceEndpoint(
                    cdk.Stack(), name, capacity=asked.capacity, image=image, endpoint_name=physical_name
                )
        for component, wanted in asked.components.items() if endpoint is not None else ():
            assert endpoint is not None
            with _under(f"endpoints.{name}.components", collect=problems):
                added = endpoint.add_component(
                    component,
                    model=model_source(self, component, wanted.model, bucket, own),
                    server=wanted.server,
                    copies=wanted.copies,
                    scaling=wanted.scaling,
                    load=wanted.load,
                    slo=wanted.slo,
                    placement=wanted.placement,
                    resources=wanted.resources,
                    startup=wanted.startup,
                    environment=wanted.environment,
                    rollout=wanted.rollout,
                    smoke=wanted.smoke,
                    tp_size_by_type=wanted.tp_size_by_type,
                )
                add_adapters(added, wanted, bucket)
        raise_if_any(dict.fromkeys(problems))
        assert endpoint is not None
        self.endpoint = endpoint
        cdk.CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)

    def _read(self, value: str) -> str:
        return ssm.StringParameter.value_for_string_parameter(self, parameter_name(self._environment, value))

    def _read_key(self) -> kms.IKey:
        return kms.Key.from_key_arn(self, "Key", self._read("key-arn"))

    def _image(self, image: Image) -> ServingImage:
        if image.dlc is not None:
            return ServingImage.from_dlc(SglangDlc(image.dlc))
        if image.build is not None:  # by the foundation, once for all endpoints
            name, digest = self._read("images-repository"), self._read(digest_parameter(image.build.container_base))
        else:
            assert image.repository is not None
            name, digest = image.repository.name, image.repository.digest
        return ServingImage.from_repository(
            ecr.Repository.from_repository_name(self, "Images", name),
            digest=digest,
            cuda=image.facts.cuda,
            sglang_version=image.facts.sglang_version,
        )

    def _alarms(self) -> Alarms | NoAlarms:
        asked = self._settings.alarms
        if asked.none is not None:
            return NoAlarms(reason=asked.none)
        topic_arn = self._read("alarm-topic-arn") if asked.kind == "create" else asked.topic
        assert topic_arn is not None
        return Alarms(topic=sns.Topic.from_topic_arn(self, "Alarms", topic_arn))

    def _read_bucket(self, key: kms.IKey) -> s3.IBucket:
        return s3.Bucket.from_bucket_attributes(
            self, "Weights", bucket_name=self._read("weights-bucket"), encryption_key=key
        )

    def _network(self) -> EndpointNetwork | None:
        network = self._settings.network
        match network.vpc:
            case "none":
                return None
            case "existing":
                return EndpointNetwork(
                    subnet_ids=network.subnet_ids or (), security_group_ids=network.security_group_ids or ()
                )
            case "create":
                zones = len(network.availability_zones or ("first", "second"))
                subnets = cdk.Fn.split(",", self._read("subnet-ids"), zones)
                return EndpointNetwork(subnet_ids=tuple(subnets), security_group_ids=(self._read("security-group-id"),))


@contextmanager
def _under(path: str, *, collect: list[Problem] | None = None) -> Iterator[None]:
    """Put the place in the settings file before the problems the library finds; collect them, or raise."""
    try:
        yield
    except ConfigurationError as error:
        problems = [problem.under(path) for problem in error.problems]
        if collect is None:
            raise ConfigurationError(problems) from None
        collect += problems
