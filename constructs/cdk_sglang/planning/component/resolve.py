"""Resolves a component on its endpoint: copies, options by instance type, scaling target, and all problems."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import bigger_or_fewer
from cdk_sglang.planning.component.context import context_problems
from cdk_sglang.planning.component.disk import disk_problems
from cdk_sglang.planning.component.drafting import gated_speculation
from cdk_sglang.planning.component.file_cache import file_cache
from cdk_sglang.planning.component.host_memory import planned_host
from cdk_sglang.planning.component.images import image_problems, takes_images
from cdk_sglang.planning.component.isolation import isolation_problems
from cdk_sglang.planning.component.measured import measured_problems
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.component.sizes import planned_tp_sizes
from cdk_sglang.planning.component.target import target_of
from cdk_sglang.planning.component.task import task_of, task_problems, with_flag
from cdk_sglang.planning.component.tracing import tracing_problems
from cdk_sglang.planning.component.variants import ModelVariant, gpus_by_type, model_variants, tp_size_problems
from cdk_sglang.planning.layouts import CopyNeeds
from cdk_sglang.planning.verdict import component_problems
from cdk_sglang.spec.scaling import ComponentScaling
from cdk_sglang.tokens import is_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.component.hosting import Hosting
    from cdk_sglang.planning.drafts import Speculation
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.own import KnownModel
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.schedules import Bounds, NightlyStop
    from cdk_sglang.spec.task import Task

_MIB_PER_GIB = 1024
_OF_LOAD = (".load.images", ".load.image_tokens", ".load.input_tokens")
"""Suffixes of the paths of problems with the planned load; with such a problem, no scaling target is computed."""


@dataclass(frozen=True, kw_only=True)
class ResolvedComponent:
    """A component with every value resolved; created by `resolve_component` and used unchanged by the construct and the plan.

    Attributes:
        name: Name of the component on its endpoint.
        component: The specification, including the SGLang option that its task needs.
        hosting: The endpoint.
        facts: Facts of the model; None if unknown.
        variants: Model and options for each set of instance types with the same options, that of the most preferred type first.
        copies: Copies at the first deployment.
        scaling: Limits, target and schedules, including the endpoint's nightly stop; None if the number of copies is fixed.
        task: Task of its requests.
        concurrency: Target requests in flight per copy; None if nothing scales by concurrency.
        draft: Facts of a draft that was trained elsewhere; None if unknown.
        problems: Problems of the component by itself that prevent its deployment, except whether the model fits (`fit_problems`).
    """

    name: str
    component: Component
    hosting: Hosting
    facts: ModelFacts | None
    variants: tuple[ModelVariant, ...]
    copies: int
    scaling: ComponentScaling | None
    task: Task = "chat"
    concurrency: float | None = None
    draft: ModelFacts | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def speculation(self) -> Speculation | None:
        """How it drafts after its gate has accepted a draft; None without such a gate."""
        speculative = self.component.speculative
        return None if speculative is None else gated_speculation(speculative, self.draft)

    @property
    def server(self) -> SglangOptions:
        """SGLang's options on the most preferred instance type."""
        return self.variants[0].server

    @property
    def gpus_by_type(self) -> dict[str, int]:
        """GPUs of a copy by instance type."""
        return gpus_by_type(self.variants)

    @property
    def copy_bounds(self) -> Bounds:
        """Minimum and maximum number of copies that scaling and its schedules may set."""
        return (self.copies, self.copies) if self.scaling is None else self.scaling.copy_bounds

    @property
    def most_copies(self) -> int:
        """Maximum number of copies at once, including those of the first deployment."""
        return max(self.copies, self.copy_bounds[1])

    @property
    def sees(self) -> bool:
        """Whether requests may contain images: its model has an image encoder that SGLang loads, or the planned load contains images."""
        if self.task != "chat":
            return False
        return bool(self.component.load.images) if self.facts is None else takes_images(self.facts, self.server)

    @property
    def is_planned(self) -> bool:
        """Whether the plan covers the component: its model is known, and a copy fits into one instance of each type."""
        return self.facts is not None and not self._too_large()

    def _too_large(self) -> bool:
        sizes = self.gpus_by_type
        return any(sizes[instance.name] > instance.gpu_count for instance in self.hosting.instances)

    @cached_property  # used again for every further component of the endpoint
    def needs(self) -> CopyNeeds:
        """Resources of instances that its copies take."""
        host = self.component.resources  # by default half of the instance's, which is never the limit before its GPUs
        low, _ = self.copy_bounds
        return CopyNeeds(
            name=self.name,
            gpus_by_type=self.gpus_by_type,
            min_copies=low,
            max_copies=self.most_copies,
            host_memory_gib=0.0 if host is None or is_token(host.memory_mib) else host.memory_mib / _MIB_PER_GIB,
            vcpus=0.0 if host is None or is_token(host.cpu_cores) else host.cpu_cores,
        )

    def request(self) -> ComponentRequest:
        """Return the planner's request for the component.

        Raises:
            ValueError: Its model is unknown.
        """
        component, hosting, needs = self.component, self.hosting, self.needs
        if self.facts is None:
            raise ValueError(f"nothing is known of the model of {self.name}")
        first, sizes = hosting.instances[0], self._tp_sizes()
        files = file_cache(component.server, facts=self.facts, added=component.environment)
        request = component_request(
            self.name,
            self.facts,
            component.server,
            bounds=self.copy_bounds,
            slo=None if any(problem.path.endswith(_OF_LOAD) for problem in self.problems) else component.slo,
            load=component.load,
            host_memory_gib=needs.host_memory_gib,
            vcpus=needs.vcpus,
            tp_sizes=sizes,
            engine_version=hosting.image.sglang_version,
            rolling=None if component.rollout is None else component.rollout.max_batch,
            speculation=self.speculation,
            calibration=hosting.calibration,
            task=self.task,
        )
        return dataclasses.replace(
            request,
            host=planned_host(component, self.facts, first, tp_size=sizes[first.name]),
            file_cache_gb=0.0 if files is None else files.copy_gb,
            no_fit_check=None if component.fit_check is None else component.fit_check.reason,
        )

    def fit_problems(self, path: str) -> list[Problem]:
        """Return why the model cannot run on some type of its endpoint, in the words of the plan; empty if it can on all.

        Unknown models, types with fewer GPUs than a copy needs (reported in `problems`), and components whose specification skips the
        check are not checked.

        Args:
            path: Path of the component.
        """
        if self.facts is None or self.component.fit_check is not None:
            return []
        sizes, hosting = self.gpus_by_type, self.hosting
        roomy = [instance for instance in hosting.instances if sizes[instance.name] <= instance.gpu_count]
        request = component_request(
            self.name,
            self.facts,
            self.component.server,
            bounds=(1, 1),
            tp_sizes=self._tp_sizes(),
            engine_version=hosting.image.sglang_version,
            speculation=self.speculation,
            calibration=hosting.calibration,
            task=self.task,
        )
        return component_problems(request, roomy, path=path, region=hosting.price_region, prices=hosting.prices)

    def _tp_sizes(self) -> dict[str, int]:
        return {instance.name: variant.server.tp_size for variant in self.variants for instance in variant.instances}


def resolve_component(
    name: str,
    component: Component,
    hosting: Hosting,
    *,
    known: KnownModel,
    path: str,
    draft: ModelFacts | None = None,
) -> ResolvedComponent:
    """Resolve a component on its endpoint, and collect all its problems.

    Args:
        name: Name of the component on its endpoint.
        component: The component.
        hosting: Its endpoint.
        known: Its model, with the facts if known.
        path: Path of the component, with which the paths of problems begin.
        draft: Facts of a draft that was trained elsewhere; by default a head of the model's shape is counted.
    """
    task = task_of(component, known.facts)
    of_task = task_problems(path, component, task, facts=known.facts, image=hosting.image)
    server = with_flag(component.server, task, known.facts)
    if server is not component.server:
        component = component.model_copy(update={"server": server})
    speculation = None if component.speculative is None else gated_speculation(component.speculative, draft)
    problems = [*of_task, *tp_size_problems(path, component.tp_size_by_type, hosting.instances)]
    sizes = planned_tp_sizes(
        known.facts,
        component.server,
        hosting.instances,
        tp_size_by_type={} if problems else component.tp_size_by_type,
        engine_version=hosting.image.sglang_version,
        speculation=speculation,
    )
    variants = model_variants(component, hosting, facts=known.facts, sizes=sizes, task=task)
    scaling = component.scaling
    if hosting.nightly_stop is not None:
        try:
            scaling = _stopped_nightly(component, hosting.nightly_stop)
        except ConfigurationError as error:
            problems += [problem.under(path) for problem in error.problems]
    resolved = ResolvedComponent(
        name=name,
        component=component,
        hosting=hosting,
        facts=known.facts,
        variants=variants,
        copies=component.first_copies,
        scaling=scaling,
        task=task,
        draft=draft,
    )
    of_model = known.problems(f"{path}.model.id")
    problems += of_model
    if known.facts is None and not of_model and component.slo is not None and component.slo.has_latency:
        problems.append(Problem(f"{path}.slo", f"cannot be checked, since {known.advice}"))
    problems += image_problems(path, component, task, facts=known.facts)
    problems += context_problems(path, component, task, facts=known.facts)
    problems += measured_problems(path, component)
    problems += _copies_problems(path, resolved)
    for variant in variants:
        problems += variant.problems(path, image=hosting.image, added=component.environment)
    if component.speculative is not None:
        from cdk_sglang.planning.component.speculative import speculative_problems

        problems += speculative_problems(path, component, hosting, facts=known.facts, variants=variants)
    problems += tracing_problems(path, component.server, network_isolation=hosting.network_isolation)
    problems += isolation_problems(
        path, component.server, component.environment, network_isolation=hosting.network_isolation
    )
    problems += disk_problems(path, component, variants, copies=resolved.most_copies)
    problems += _size_problems(path, hosting, resolved.gpus_by_type)
    if component.rollout is not None:
        bounds = [resolved.copy_bounds] if scaling is None else scaling.all_bounds
        problems += [problem.under(f"{path}.rollout") for problem in component.rollout.problems(bounds=bounds)]
    concurrency = None
    if not problems:
        try:
            concurrency = target_of(
                path, component, scaling, hosting, variants=variants, known=known, speculation=speculation, task=task
            )
        except ConfigurationError as error:
            problems += error.problems
    # Problems that do not concern GPUs are the same in all variants.
    return dataclasses.replace(resolved, concurrency=concurrency, problems=tuple(dict.fromkeys(problems)))


def _stopped_nightly(component: Component, stop: NightlyStop) -> ComponentScaling:
    """Return the scaling with the endpoint's nightly stop, even if the component does not scale otherwise."""
    copies = component.first_copies
    return (component.scaling or ComponentScaling(min_copies=copies, max_copies=copies)).stopped_nightly(stop)


def _copies_problems(path: str, resolved: ResolvedComponent) -> list[Problem]:
    scaling, hosting, copies = resolved.scaling, resolved.hosting, resolved.copies
    if scaling is None:
        return []
    problems = []
    if not scaling.min_copies <= copies <= scaling.max_copies:
        problems.append(
            Problem(
                f"{path}.copies",
                f"{copies} is outside of scaling, {scaling.min_copies} to {scaling.max_copies}; leave it out, or take one of those",
            )
        )
    if scaling.copy_bounds[0] > 0:
        return problems
    of_zero = hosting.capacity.zero_copies_problems(region=hosting.region)
    problems += [problem.under(f"{path}.scaling.min_copies") for problem in of_zero]
    if hosting.rollout is not None and hosting.rollout.alarms.no_capacity is not None:
        problems.append(
            Problem(
                f"{path}.scaling",
                "the component may have zero copies, and a request that wakes it would undo a rollout of the endpoint; "
                "set no_capacity of the endpoint's rollout.alarms to null, or keep a copy",
            )
        )
    return problems


def _size_problems(path: str, hosting: Hosting, gpus: Mapping[str, int]) -> list[Problem]:
    """Return a problem that names the smallest type on which one copy needs more GPUs than an instance has."""
    for instance in sorted(hosting.instances, key=lambda instance: instance.gpu_count):
        copy_gpus = gpus[instance.name]
        if copy_gpus > instance.gpu_count:
            advice = bigger_or_fewer(instance, copy_gpus)
            text = f"{copy_gpus} GPUs asked for one copy, {instance.name} has {instance.gpu_count}; {advice}"
            return [Problem(f"{path}.server", text)]
    return []
