"""Checks a draft with a gate: its training, its measurement, and what SGLang accepts. Imported only if a component has one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cdk_sglang.checks import did_you_mean
from cdk_sglang.engine.groups import SpeculativeOptions
from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.hardware.optimization import ARCHITECTURES, BENCHMARK_REGIONS, job_type_problem, job_types
from cdk_sglang.tokens import is_text_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.component.hosting import Hosting
    from cdk_sglang.planning.component.variants import ModelVariant
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.speculative import EagleTraining, Speculative

_ALGORITHMS: Final = {"eagle": "EAGLE3", "draft": "EAGLE3", "nextn": "NEXTN", "ngram": "NGRAM"}
_DRAFT_PATH: Final = "/opt/ml/model/draft"


def training_instance(speculative: Speculative, hosting: Hosting) -> GpuInstance | None:
    """Return the instance type of the training: as specified, else the endpoint's if optimization jobs support it; None if there is none.

    Args:
        speculative: The specification.
        hosting: The component's endpoint.
    """
    if speculative.eagle is None:
        return None
    name = speculative.eagle.instance or hosting.instances[0].name
    return GpuInstance.named(name) if name in job_types() else None


def speculative_problems(
    path: str,
    component: Component,
    hosting: Hosting,
    *,
    facts: ModelFacts | None,
    variants: Sequence[ModelVariant],
) -> list[Problem]:
    """Return the problems of a component's draft by itself; `canary_problems` checks whether there is room to measure it.

    Args:
        path: Path of the component.
        component: The component, which has `speculative`.
        hosting: Its endpoint.
        facts: Facts of the model; None if unknown.
        variants: The component on the instance types of its endpoint.
    """
    speculative, where = component.speculative, f"{path}.speculative"
    assert speculative is not None
    problems = []
    if component.server.speculative is not None:
        problems.append(
            Problem(
                f"{path}.server.speculative",
                "is SGLang's own way, which serves a draft without measuring it, and speculative is there too; keep one",
            )
        )
    problems += _measured_problems(where, component, hosting, variants)
    if speculative.eagle is not None:
        problems += _training_problems(f"{where}.eagle", speculative.eagle, hosting, facts)
    if speculative.nextn is not None and facts is not None and facts.architecture.mtp_layers == 0:
        problems.append(
            Problem(
                f"{where}.nextn", f"{facts.id} has no layers that predict further tokens; use eagle, draft or ngram"
            )
        )
    if component.server.speculative is None:
        problems += _engine_problems(path, hosting, speculative, variants)
    return problems


def _measured_problems(
    where: str, component: Component, hosting: Hosting, variants: Sequence[ModelVariant]
) -> list[Problem]:
    problems = []
    region = hosting.region
    if not is_text_token(region) and region not in BENCHMARK_REGIONS:
        problems.append(
            Problem(
                where,
                f"{region} has no AI benchmark jobs, which measure the draft; {did_you_mean(region, BENCHMARK_REGIONS)}, or measure "
                "it by hand and serve it with server.speculative",
            )
        )
    if component.model.catalogue_id is None:
        problems.append(
            Problem(
                where,
                "is measured with the model's tokenizer, and nothing says which it is; give model.id, such as Qwen/Qwen3-8B",
            )
        )
    if hosting.capacity.is_pool or len(variants) > 1:
        names = ", ".join(instance.name for instance in hosting.instances)
        problems.append(
            Problem(
                where,
                f"is measured on one instance type, and the endpoint has a pool of {names}, where the draft may be slower on another; "
                "give the component an endpoint with one type",
            )
        )
    first = hosting.instances[0]
    if price_usd_per_hour(first, hosting.price_region, table=hosting.prices) is None:
        problems.append(_unpriced(f"{where}.{_kind(component)}.gate_max_usd", first.name, hosting.price_region))
    return problems


def _training_problems(
    where: str, training: EagleTraining, hosting: Hosting, facts: ModelFacts | None
) -> list[Problem]:
    problems = []
    if facts is not None and facts.architecture.model_type not in ARCHITECTURES:
        problems.append(
            Problem(
                where,
                f"optimization jobs train no draft for {facts.id} ({facts.architecture.model_type}), but for "
                f"{', '.join(ARCHITECTURES.values())}; use draft for one that was trained elsewhere, nextn or ngram",
            )
        )
    if training.is_captured and hosting.capacity.reservation is not None:
        problems.append(
            Problem(
                f"{where}.dataset",
                "captured needs a new configuration of the endpoint, and reserved capacity moves for that; use a dataset in S3 or built_in",
            )
        )
    name = training.instance or hosting.instances[0].name
    if training.instance is None and (text := job_type_problem(name)) is not None:
        problems.append(Problem(f"{where}.instance", f"missing, and {text}; use one of {', '.join(job_types())}"))
    elif name in job_types() and training.usd_per_hour is None:
        instance = GpuInstance.named(name)
        if price_usd_per_hour(instance, hosting.price_region, table=hosting.prices) is None:
            problems.append(_unpriced(f"{where}.max_usd", name, hosting.price_region, others="give usd_per_hour, or "))
    return problems


def _engine_problems(
    path: str, hosting: Hosting, speculative: Speculative, variants: Sequence[ModelVariant]
) -> list[Problem]:
    """Return options that SGLang does not support together with the draft, in the words of its option rules."""
    drafting = speculative.draft or speculative.nextn
    options = SpeculativeOptions.model_validate(
        {
            "algorithm": _ALGORITHMS[speculative.kind],
            "draft_model_path": _DRAFT_PATH if speculative.has_draft_model else None,
            "num_steps": None if drafting is None else drafting.num_steps,
            "eagle_topk": None if drafting is None else drafting.eagle_topk,
            "num_draft_tokens": None if drafting is None else drafting.num_draft_tokens,
        }
    )
    problems: list[Problem] = []
    for variant in variants:
        both = [
            set(_variant_problems(path, server, variant, hosting))
            for server in (variant.server, variant.server.model_copy(update={"speculative": options}))
        ]
        problems += sorted(both[1] - both[0])
    return [
        Problem(problem.path.replace(".server.speculative", f".speculative.{speculative.kind}"), problem.text)
        for problem in dict.fromkeys(problems)
    ]


def _variant_problems(path: str, server: SglangOptions, variant: ModelVariant, hosting: Hosting) -> list[Problem]:
    return replace(variant, server=server).problems(path, image=hosting.image, added={})


def _unpriced(path: str, name: str, region: str, *, others: str = "") -> Problem:
    return Problem(
        path,
        f"is a ceiling in dollars, and no price of {name} in {region} is known; {others}add one to prices.csv beside the environments, "
        "or use another type",
    )


def _kind(component: Component) -> str:
    assert component.speculative is not None
    return component.speculative.kind
