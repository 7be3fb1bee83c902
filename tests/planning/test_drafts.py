"""What a draft takes of a GPU, by the rules of SGLang 0.5.23: its weights, and its rows of the KV pool."""

from __future__ import annotations

import dataclasses

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.groups import SpeculativeOptions
from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, Parallelism, plan_memory
from cdk_sglang.planning.component.drafting import gated_speculation
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.drafts import NO_DRAFT_KV, DraftKind, Speculation, draft_bytes, draft_kv
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.spec.slo import Slo
from cdk_sglang.spec.speculative import Speculative

LLAMA = catalogue("meta-llama/Llama-3.1-8B-Instruct").architecture
H100 = Gpu.of("H100-SXM-80GB")
HEAD = Speculation(kind=DraftKind.HEAD)


def test_a_head_for_llama_8b_is_counted_tensor_by_tensor() -> None:
    hidden, kv, width, words = 4096, 1024, 14336, 32000
    layer = 2 * hidden * (hidden + 2 * kv) + hidden * hidden + 3 * hidden * width
    joined, projection = 3 * hidden * hidden, words * hidden
    assert draft_bytes(LLAMA, Parallelism(), HEAD) == 2 * (layer + joined + projection)
    assert draft_bytes(LLAMA, Parallelism(gpus=4), HEAD) == 2 * ((layer + projection) / 4 + joined)


def test_a_head_that_shares_the_output_projection_loads_none_of_its_own() -> None:
    whole = dataclasses.replace(HEAD, vocabulary=0)
    assert draft_bytes(LLAMA, Parallelism(), HEAD) - draft_bytes(LLAMA, Parallelism(), whole) == 2 * 32000 * 4096


@pytest.mark.parametrize(("model", "layers"), [("meta-llama/Llama-3.1-8B-Instruct", 32), ("Qwen/Qwen3-32B", 64)])
def test_a_head_adds_one_layer_to_each_cached_token(model: str, layers: int) -> None:
    architecture = catalogue(model).architecture
    plain = plan_memory(architecture, H100, Parallelism(gpus=2))
    drafting = plan_memory(architecture, H100, Parallelism(gpus=2), speculation=HEAD)
    assert drafting.draft_kv.unbounded == pytest.approx(plain.kv.all_layers / layers)
    assert drafting.bytes_per_token == pytest.approx(plain.bytes_per_token * (1 + 1 / layers))
    assert drafting.cache_gib == pytest.approx(plain.cache_gib - drafting.draft_gib)
    assert drafting.kv_tokens == int(drafting.cache_gib * 2**30 // drafting.bytes_per_token)
    assert drafting.kv_tokens < plain.kv_tokens


def test_the_models_own_layers_are_counted_as_often_as_there_are() -> None:
    model = catalogue("zai-org/GLM-5-FP8").architecture
    own = Speculation(kind=DraftKind.OWN_LAYERS)
    kv = draft_kv(model, Parallelism(gpus=8), "fp8", own)
    plain = plan_memory(model, H100, Parallelism(gpus=8), kv_dtype="fp8")
    assert kv.unbounded == pytest.approx(plain.kv.all_layers / model.full_layers * model.mtp_layers)
    assert draft_bytes(model, Parallelism(gpus=8), own) > 0


def test_own_layers_of_a_model_with_sliding_windows_are_rows_of_that_pool() -> None:
    model = catalogue("XiaomiMiMo/MiMo-V2-Flash").architecture
    assert model.sliding_layers
    kv = draft_kv(
        dataclasses.replace(model, mtp_layers=1), Parallelism(gpus=4), "bf16", Speculation(kind=DraftKind.OWN_LAYERS)
    )
    assert (kv.unbounded, kv.sliding > 0) == (0.0, True)
    assert draft_kv(model, Parallelism(gpus=4), "bf16", HEAD).sliding == 0.0


def test_ngram_takes_nothing() -> None:
    lookup = Speculation(kind=DraftKind.LOOKUP)
    assert draft_bytes(LLAMA, Parallelism(), lookup) == 0
    assert draft_kv(LLAMA, Parallelism(), "bf16", lookup) == NO_DRAFT_KV
    assert lookup.options(LLAMA) == (0, 12)


def test_steps_and_tokens_are_those_that_sglang_chooses() -> None:
    assert HEAD.options(LLAMA) == (5, 8)
    assert HEAD.options(catalogue("Qwen/Qwen3-32B").architecture) == (3, 4)
    assert dataclasses.replace(HEAD, steps=7, draft_tokens=16).options(LLAMA) == (7, 16)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"eagle": {"dataset": "built_in", "max_usd": 200}}, DraftKind.HEAD),
        (
            {"draft": {"s3": "s3://models/draft/", "num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 4}},
            DraftKind.HEAD,
        ),
        ({"nextn": {}}, DraftKind.OWN_LAYERS),
        ({"ngram": {}}, DraftKind.LOOKUP),
    ],
)
def test_the_settings_say_where_drafts_come_from(settings: dict[str, object], kind: DraftKind) -> None:
    found = gated_speculation(Speculative.model_validate(settings))
    assert (found.kind, found.gate, found.is_assumed) == (kind, True, True)


def test_a_draft_whose_config_is_known_is_counted_by_it() -> None:
    settings = Speculative.model_validate({"draft": {"s3": "s3://models/draft/"}})
    facts = catalogue("Qwen/Qwen3-0.6B")
    small = dataclasses.replace(
        facts, architecture=dataclasses.replace(facts.architecture, full_layers=2, intermediate_size=1024)
    )
    found = gated_speculation(settings, small)
    assert (found.layers, found.intermediate_size) == (2, 1024)
    plain = plan_memory(LLAMA, H100, Parallelism())
    assert draft_kv(LLAMA, Parallelism(), "bf16", found).unbounded == pytest.approx(plain.kv.all_layers * 2 / 32)


def test_the_engines_own_options_count_a_draft_too() -> None:
    facts = catalogue("meta-llama/Llama-3.1-8B-Instruct")

    def asked(**options: object) -> ComponentRequest:
        server = SglangOptions(speculative=SpeculativeOptions.model_validate(options))
        return component_request("c", facts, server, bounds=(1, 1), slo=Slo(accept_length=2.7))

    head = asked(algorithm="EAGLE3", draft_model_path="/opt/ml/model/draft")
    assert head.speculation is not None
    assert (head.speculation.kind, head.speculation.gate, head.speculation.accept_length) == (
        DraftKind.HEAD,
        False,
        2.7,
    )
    assert memory_of(head, H100, Parallelism()).draft_gib == pytest.approx(0.79, abs=0.01)
    lookup = asked(algorithm="NGRAM")
    assert lookup.speculation is not None
    assert lookup.speculation.kind is DraftKind.LOOKUP
    whole = asked(algorithm="STANDALONE", draft_model_path="/opt/ml/model/draft")
    assert whole.speculation is None  # a whole model as draft, which the settings do not describe


def test_a_model_that_only_fits_without_its_draft_is_refused() -> None:
    facts = catalogue("meta-llama/Llama-3.1-8B-Instruct")
    tight = ComponentRequest(name="c", facts=facts, tp_size=1, context_length=30_000, mem_fraction=0.86)
    instance = GpuInstance.named("ml.g6.2xlarge")
    split = tight.split(1)
    plain = memory_of(tight, instance.gpu, split)
    drafting = memory_of(dataclasses.replace(tight, speculation=HEAD), instance.gpu, split)
    between = (plain.kv_tokens + drafting.kv_tokens) / 2
    assert plain.shortfall_gib(between) == 0
    assert drafting.shortfall_gib(between) > 0
