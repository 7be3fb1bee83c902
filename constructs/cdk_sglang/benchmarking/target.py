"""Target of a benchmark: a component of an environment, its names in AWS, its specification and its plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from cdk_sglang.benchmarking.resolved import ResolvedWorkload, Step, resolve_workload
from cdk_sglang.benchmarking.result import Band, Planned
from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance, PriceTable, price_usd_per_hour
from cdk_sglang.planning import Band as PredictedBand
from cdk_sglang.planning import ComponentRequest, ResolvedComponent, answer
from cdk_sglang.planning.alternatives import question
from cdk_sglang.planning.component.images import images_of
from cdk_sglang.planning.measured_calibration import fitted_of
from cdk_sglang.spec.load import Load
from cdk_sglang.spec.model import Model
from cdk_sglang.spec.slo import Slo
from cdk_sglang.spec.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Target:
    """A component that is measured.

    Attributes:
        environment: Name of the environment.
        path: Component in the environment, as <endpoint>/<component>.
        endpoint_name: SageMaker's name of the endpoint.
        component_name: SageMaker's name of the component.
        region: Region.
        load: Requests that the component expects.
        slo: Its objectives; None if there are none.
        model: Catalogue id or location of the model.
        model_revision: Location of the weights, with the commit if they are from Hugging Face.
        sglang_version: SGLang's release in the image.
        instance: Most preferred instance type.
        gpus: GPUs of a copy on that type.
        request: The planner's request for the component; None if its model is unknown.
        prices: Prices that take precedence over the package's; None for the package's alone.
    """

    environment: str
    path: str
    endpoint_name: str
    component_name: str
    region: str
    load: Load
    slo: Slo | None
    model: str
    model_revision: str
    sglang_version: str
    instance: GpuInstance
    gpus: int
    request: ComponentRequest | None
    prices: PriceTable | None = None

    def usd_per_hour(self, instance: str, instances: int) -> float | None:
        """Return US dollars per hour of some instances of the endpoint; None without a price.

        Args:
            instance: Instance type.
            instances: Number of them.
        """
        try:
            price = price_usd_per_hour(GpuInstance.named(instance), self.region, table=self.prices)
        except ConfigurationError:
            return None
        return None if price is None else price.usd_per_hour * instances

    def planned(self, workload: ResolvedWorkload, step: Step, *, copies: int) -> Planned | None:
        """Return the plan's predictions for a step; None for a rate, the user's own prompts, an unknown model, or images with an unknown number of tokens.

        Args:
            workload: The workload.
            step: The step.
            copies: Copies that share the requests.
        """
        if self.request is None or not self.request.facts.described or copies < 1:
            return None
        if step.request_rate is not None or step.concurrency is None:
            return None
        if workload.input_tokens is None or workload.output_tokens is None:
            return None
        count = 0 if workload.images is None else workload.images.count
        images = images_of(self.load.model_copy(update={"images": float(count)}), self.request.facts)
        if count and not images.tokens:
            return None
        request = dataclasses.replace(
            self.request,
            input_tokens=workload.input_tokens + images.tokens,
            encoder_tflop=images.encoder_tflop,
            output_tokens=workload.output_tokens,
        )
        step_question = question(
            request, self.instance, request.split(self.gpus), concurrency=max(1.0, step.concurrency / copies)
        )
        (found,) = answer([step_question], using=fitted_of(request.calibration))
        return Planned(
            ttft_ms=_band(found.ttft_ms),
            tpot_ms=_band(found.tpot_ms),
            output_tok_s=_band(found.output_tok_s_per_gpu, times=self.gpus * min(copies, step.concurrency)),
        )


def _band(band: PredictedBand | None, *, times: float = 1.0) -> Band | None:
    return None if band is None else Band(low=band.low * times, value=band.value * times, high=band.high * times)


def target_of(
    resolved: ResolvedComponent, *, environment: str, endpoint: str, endpoint_name: str, component_name: str
) -> Target:
    """Return the target of a component.

    Args:
        resolved: The component, with every value resolved.
        environment: Name of the environment.
        endpoint: Short name of its endpoint.
        endpoint_name: SageMaker's name of the endpoint.
        component_name: SageMaker's name of the component.
    """
    component, hosting = resolved.component, resolved.hosting
    instance = hosting.instances[0]
    return Target(
        environment=environment,
        path=f"{endpoint}/{resolved.name}",
        endpoint_name=endpoint_name,
        component_name=component_name,
        region=hosting.price_region,
        load=component.load,
        slo=component.slo,
        model=component.model.catalogue_id or _place(component.model),
        model_revision=_place(component.model),
        sglang_version=hosting.image.sglang_version,
        instance=instance,
        gpus=resolved.gpus_by_type[instance.name],
        request=resolved.request() if resolved.is_planned else None,
        prices=hosting.prices,
    )


def _place(model: Model) -> str:
    return model.s3 or model.prefix or f"{model.hugging_face}@{model.revision}"


@dataclass(frozen=True, kw_only=True)
class BenchEnvironment:
    """What can be measured in an environment.

    Attributes:
        name: Name of the environment.
        targets: Components by path.
        workloads: Workloads of the environment, by name.
        region: Region that the environment names; None for that of the AWS settings.
    """

    name: str
    targets: Mapping[str, Target]
    workloads: Mapping[str, Workload]
    region: str | None = None

    def choose(self, *, workload: str | None, component: str | None) -> tuple[Target, ResolvedWorkload]:
        """Return a component and the requests that are sent to it.

        Args:
            workload: Name of a workload; the only one by default, or where there is none, the requests that the component expects.
            component: Component as <endpoint>/<component>; that of the workload by default.

        Raises:
            ConfigurationError: A name is unknown, or missing although there are several.
        """
        name, specification = self._workload(workload)
        path = component or specification.component or (next(iter(self.targets)) if len(self.targets) == 1 else None)
        if path is None:
            raise ConfigurationError(
                [Problem("--component", f"missing; {self.name} has several components: {', '.join(self.targets)}")]
            )
        if path not in self.targets:
            raise ConfigurationError(
                [Problem("--component", f"unknown component {path!r}; {did_you_mean(path, self.targets)}")]
            )
        target = self.targets[path]
        resolved = resolve_workload(name, specification, load=target.load, slo=target.slo)
        facts = None if target.request is None else target.request.facts
        if resolved.images is not None and facts is not None and facts.described and facts.architecture.images is None:
            text = f"{resolved.images.count} a request, and {facts.id} of {path} takes text alone; leave it out"
            raise ConfigurationError([Problem(f"bench.{name}.images", text)])
        return target, resolved

    def _workload(self, name: str | None) -> tuple[str, Workload]:
        if name is None and len(self.workloads) > 1:
            raise ConfigurationError(
                [Problem("--workload", f"missing; {self.name} has several workloads: {', '.join(self.workloads)}")]
            )
        if name is None:
            return next(iter(self.workloads.items()), ("expected-load", Workload()))
        if name not in self.workloads:
            raise ConfigurationError(
                [Problem("--workload", f"unknown workload {name!r}; {did_you_mean(name, self.workloads)}")]
            )
        return name, self.workloads[name]
