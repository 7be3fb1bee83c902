"""The server options of one model as typed fields, and their values by SGLang's own names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from cdk_sglang.engine import extra
from cdk_sglang.engine.choices import (
    AttentionBackend,
    Dtype,
    GrammarBackend,
    KvCacheDtype,
    LoadFormat,
    LogRequestsFormat,
    LogRequestsLevel,
    MoeA2aBackend,
    Quantization,
    ReasoningParser,
    SamplingBackend,
    SchedulePolicy,
    ToolCallParser,
)
from cdk_sglang.engine.flag_spec import ExtraScalar
from cdk_sglang.engine.flags import find_flag, flag_of
from cdk_sglang.engine.groups import (
    Count,
    HicacheOptions,
    LoraOptions,
    SpeculativeOptions,
    Text,
    TracingOptions,
)
from cdk_sglang.engine.model_base import OptionsModel, Setting, settings_of, typed_dests
from cdk_sglang.wording import shown

_OF_THE_COMPONENT: Final = frozenset(
    {"adapters", "copies", "environment", "load", "model", "placement", "rollout", "scaling", "slo", "smoke", "task"}
)
"""Keys of a component that users look for among its server options, one level below."""


def _extra_value(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, bool | int | float | str) for item in items):
        raise PydanticCustomError("options", "takes text, a number, true, false or a list of text and numbers")
    return value


ExtraValue = Annotated[ExtraScalar | list[int | float | str], BeforeValidator(_extra_value)]


class OptionFields(OptionsModel):
    """Fields of `SglangOptions`, without what is rendered or checked from them."""

    _dests: ClassVar[dict[str, str]] = {
        "watchdog_timeout_seconds": "watchdog_timeout",
        "cuda_graph_max_bs": "cuda_graph_max_bs_decode",  # --cuda-graph-max-bs is an ambiguous prefix since 0.5.23
        **dict.fromkeys(("lora", "speculative", "hicache", "tracing", "extra"), ""),
    }

    @classmethod
    def hint_for(cls, key: str, value: object) -> str | None:
        """Return where an option of SGLang that is not a field here belongs; None if SGLang has no such option."""
        if key.replace("-", "_") == "is_embedding":
            return "say what the component is for with task beside server: task: embedding, rerank or classify"
        if key in _OF_THE_COMPONENT:
            return f"{key} belongs to the component, beside server"
        option = find_flag(key)
        if option is None or "-" in key:
            return None
        if option.dest in extra.FORBIDDEN:
            return f"it cannot be set: {extra.FORBIDDEN[option.dest]}"
        field = typed_dests(cls).get(option.dest)
        written = str(value).lower() if isinstance(value, bool) else shown(value)
        return f"{key} is {field} here" if field else f"give this option of SGLang's as extra: {{{key}: {written}}}"

    tp_size: Count = 1
    """GPUs one forward pass is split over (tensor parallel). Left out on a pool whose types differ in GPUs: the fewest that hold the
    model, on each type its own."""

    pp_size: Count = 1
    """Stages the layers are split into (pipeline parallel); each stage takes `tp_size` GPUs."""

    dp_size: Count = 1
    """Whole replicas of the model inside one copy; each takes `tp_size` x `pp_size` GPUs."""

    attn_dp_size: Count = 1
    """Data-parallel attention groups inside the `tp_size` GPUs, for mixture-of-experts models; adds no GPUs."""

    ep_size: Count = 1
    """GPUs the experts are spread over (expert parallel), inside `tp_size`."""

    moe_a2a_backend: MoeA2aBackend | None = None
    """All-to-all kernels for expert parallelism. SGLang takes `none` when absent."""

    context_length: Count | None = None
    """Longest prompt plus answer in tokens. The model's own maximum when absent."""

    mem_fraction_static: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of GPU memory for weights and KV cache. SGLang estimates it when absent; it accepts 1.5 without a word."""

    max_running_requests: Count | None = None
    """Requests decoded at once. Bound by KV memory when absent, 48 with speculative decoding."""

    max_queued_requests: Count | None = None
    """Requests that may wait; beyond it the server answers 503 at once (load shedding). No limit when absent."""

    max_total_tokens: Count | None = None
    """Tokens the KV cache holds. Sized from free memory when absent."""

    chunked_prefill_size: Annotated[int, Field(ge=-1)] | None = None
    """Longest prefill chunk in tokens, -1 for no chunks. SGLang chooses by GPU memory when absent."""

    max_prefill_tokens: Count | None = None
    """Tokens in one prefill batch. SGLang takes 16384 when absent, or the context length if longer."""

    page_size: Count | None = None
    """Tokens per KV page. SGLang chooses by attention backend when absent."""

    schedule_policy: SchedulePolicy | None = None
    """Order of waiting requests. SGLang takes `fcfs` when absent."""

    disable_radix_cache: bool = False
    """Switch prefix caching off."""

    dtype: Dtype | None = None
    """Type of weights and activations. The model's own when absent."""

    quantization: Quantization | None = None
    """Quantization of the weights. Recognised from the model's files when absent."""

    kv_cache_dtype: KvCacheDtype | None = None
    """Type of the KV cache; `fp8_e4m3` halves it. The model's type when absent."""

    attention_backend: AttentionBackend | None = None
    """Attention kernels. SGLang chooses by GPU and model when absent."""

    sampling_backend: SamplingBackend | None = None
    """Sampling kernels. SGLang chooses when absent."""

    grammar_backend: GrammarBackend | None = None
    """Engine of structured output (JSON schema, regular expression, grammar). SGLang takes `xgrammar` when absent."""

    reasoning_parser: ReasoningParser | None = None
    """Splits thinking from the answer; see `suggested_parsers`. No splitting when absent."""

    tool_call_parser: ToolCallParser | None = None
    """Turns the model's tool-call text into `tool_calls`; see `suggested_parsers`. No parsing when absent."""

    chat_template: Text | None = None
    """A built-in template's name or a path inside the container. The tokenizer's own when absent."""

    trust_remote_code: bool = False
    """Run Python code that comes with the model's files, as the endpoint's user."""

    served_model_name: Annotated[str, Field(pattern=r"^[^\s:]+$")] | None = None
    """Name in `model` of answers; no ":" (SGLang keeps it for `model:adapter`). The model path when absent."""

    load_format: LoadFormat | None = None
    """How weights are read. SGLang takes `auto` when absent."""

    model_loader_extra_config: dict[str, Any] | None = None
    """Settings of the weight loader, handed over as JSON."""

    cuda_graph_max_bs: Count | None = None
    """Largest decode batch captured as a CUDA graph; larger ones run slower, more capture takes memory."""

    watchdog_timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    """A forward batch longer than this ends the server, so that SageMaker replaces it. SGLang takes 300 when absent."""

    enable_metrics: bool = True
    """Prometheus metrics on /metrics of port 8080, where SageMaker scrapes them."""

    log_requests: bool = False
    """Log a line per request at `log_requests_level`; nothing of a request is logged when false."""

    log_requests_level: LogRequestsLevel = 1
    """0 metadata, 1 with sampling parameters, 2 the first 2048 characters of prompts and answers, 3 all of them."""

    log_requests_format: LogRequestsFormat | None = None
    """`text` or `json` lines. SGLang takes `text` when absent."""

    lora: LoraOptions | None = None
    """Adapters. Off when absent."""

    speculative: SpeculativeOptions | None = None
    """Speculative decoding. Off when absent."""

    hicache: HicacheOptions | None = None
    """KV cache tiers in host memory and storage. Off when absent."""

    tracing: TracingOptions | None = None
    """OpenTelemetry traces. Off when absent."""

    extra: dict[str, ExtraValue] = Field(default_factory=dict)
    """Any other option of the image's SGLang by its name without leading dashes; true sets a switch."""

    @property
    def gpus_per_copy(self) -> int:
        """GPUs one copy needs: tp_size x pp_size x dp_size.

        Attention and expert parallelism run inside the tensor-parallel group (SGLang 0.5.23,
        `server_args.compute_world_size`). Before 0.5.22, `--dp-size` with `--enable-dp-attention` meant attention
        groups; here that is `attn_dp_size`.
        """
        return self.tp_size * self.pp_size * self.dp_size

    def settings(self) -> tuple[Setting, ...]:
        """Return (field path, SGLang's name, value) of every option, including the switches of groups, with `extra` last."""
        return self._settings

    @cached_property
    def _settings(self) -> tuple[Setting, ...]:
        return (*settings_of(self), *extra.settings_of(self.extra))

    def get(self, dest: str) -> Any:
        """Return an option's value by SGLang's name, typed or extra; the default of the newest SGLang release if it is not set.

        Args:
            dest: SGLang's name of the option, for example tp_size.
        """
        values = self._values
        return values[dest] if dest in values else flag_of(dest).default

    @cached_property
    def _values(self) -> dict[str, Any]:
        return {name: value for _, name, value in self.settings()}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values, which pydantic does not validate, and without cached results of the old ones.

        Args:
            update: Values to replace, by field.
            deep: Copy nested values too.
        """
        copied = super().model_copy(update=update, deep=deep)
        for name in ("_settings", "_values"):
            copied.__dict__.pop(name, None)
        return copied

    def with_tp_size(self, tp_size: int) -> Self:
        """Return the same options over another number of GPUs.

        Args:
            tp_size: GPUs of a forward pass.
        """
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, "tp_size": tp_size})
