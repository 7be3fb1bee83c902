"""What a component works out to on its endpoint: copies, options by instance type, target, and everything that speaks against it."""

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
"""Ends of the paths of what speaks against the planned load: of such a load no objective is worked out."""


@dataclass(frozen=True, kw_only=True)
class ResolvedComponent:
    """A component whose every value is known; made by `resolve_component`, and taken as it is by the construct and by the plan.

    Attributes:
        name: Name of the component on its endpoint.
        component: The specification, with the option of SGLang that its task needs.
        hosting: The endpoint.
        facts: What is known of the model; None if nothing.
        variants: Model and options for each set of instance types whose options differ, that of the most wanted type first.
        copies: Copies at the first deployment.
        scaling: Bounds, target and schedules, the endpoint's nightly stop among them; None if copies stay as they are.
        task: What a request asks for.
        concurrency: Requests in flight at which scaling keeps a copy; None if nothing scales by concurrency.
        draft: What is known of a draft that was trained elsewhere; None if nothing.
        problems: Everything that speaks against deploying it by itself, but whether the model fits (`fit_problems`).
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
        """How it drafts once its gate has let a draft pass; None without such a gate."""
        speculative = self.component.speculative
        return None if speculative is None else gated_speculation(speculative, self.draft)

    @property
    def server(self) -> SglangOptions:
        """SGLang's options on the most wanted instance type."""
        return self.variants[0].server

    @property
    def gpus_by_type(self) -> dict[str, int]:
        """GPUs of a copy by instance type."""
        return gpus_by_type(self.variants)

    @property
    def copy_bounds(self) -> Bounds:
        """Fewest and most copies that scaling and its schedules may set."""
        return (self.copies, self.copies) if self.scaling is None else self.scaling.copy_bounds

    @property
    def most_copies(self) -> int:
        """Most copies there can be at once, those of the first deployment included."""
        return max(self.copies, self.copy_bounds[1])

    @property
    def sees(self) -> bool:
        """Whether requests may hold images: its model has an image encoder that SGLang loads, or the planned load says so."""
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

    @cached_property  # asked again with every component that is added beside this one
    def needs(self) -> CopyNeeds:
        """What its copies take of instances."""
        host = self.component.resources  # half of an instance's by default, which never decides before its GPUs do
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
        """Return what the planner is asked about it.

        Raises:
            ValueError: Nothing is known of its model.
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
        """Return why the model cannot run on some type of its endpoint, in the words of the plan; empty when it can on all.

        Nothing is said of a model that nobody knows, of types with fewer GPUs than a copy needs (`problems` has them), and where
        the specification leaves the check out.

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
    """Work out a component on its endpoint, and find everything that speaks against it.

    Args:
        name: Name of the component on its endpoint.
        component: The component.
        hosting: Its endpoint.
        known: What is known of its model.
        path: What the paths of problems begin with.
        draft: What is known of a draft that was trained elsewhere; a head of the model's shape is counted by default.
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
    # Variants share what is not about GPUs.
    return dataclasses.replace(resolved, concurrency=concurrency, problems=tuple(dict.fromkeys(problems)))


def _stopped_nightly(component: Component, stop: NightlyStop) -> ComponentScaling:
    """Return the scaling with the nightly stop of the endpoint, whether or not the component scales otherwise."""
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
    """Say on which type, the smallest of those, one copy needs more GPUs than an instance has."""
    for instance in sorted(hosting.instances, key=lambda instance: instance.gpu_count):
        copy_gpus = gpus[instance.name]
        if copy_gpus > instance.gpu_count:
            advice = bigger_or_fewer(instance, copy_gpus)
            text = f"{copy_gpus} GPUs asked for one copy, {instance.name} has {instance.gpu_count}; {advice}"
            return [Problem(f"{path}.server", text)]
    return []
