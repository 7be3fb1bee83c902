"""`ModelFacts`: the id of a model, its architecture, and the source of both: the catalogue or a file of the user."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.models.architecture import ModelArchitecture, Quantization, bytes_per_weight
from cdk_sglang.models.quantization import method_of

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Facts of a model that planning needs.

    Args:
        id: Catalogue id, as on Hugging Face.
        architecture: Its layers and how its weights are stored.
        source: Source from which the config was read.
        parameters_billion: Total parameters as its makers state them, in billions; None if they do not.
        note: What is unknown of it; empty if nothing is missing.
        date: Day on which it was read; empty if unknown.
        file: The user's file that contains it; empty for the package's catalogue.
        is_embedding: Whether it creates embeddings, for which SGLang needs `--is-embedding`.
        architectures: Classes that load it, as its config names them; empty if the catalogue does not state them.
        labels: Number of classes that it distinguishes; 0 if its config names none.
        assumed_format: Whether the format of its weights is derived from its name, because its own quantization is not in the catalogue.
    """

    id: str
    architecture: ModelArchitecture
    source: str
    parameters_billion: float | None = None
    note: str = ""
    date: str = ""
    file: str = ""
    is_embedding: bool = False
    architectures: tuple[str, ...] = ()
    labels: int = 0
    assumed_format: bool = False

    @property
    def weights_gib(self) -> float:
        """GiB of all weights as stored, without multi-token-prediction layers."""
        return weight_bytes(self.in_float32(wide=False).architecture) / GIB

    @property
    def described(self) -> bool:
        """Whether weights and KV cache follow from the config."""
        return self.architecture.kv_known

    def with_weights(self, dtype: str) -> ModelFacts:
        """Return the same model stored in another format, such as `fp8`, `nvfp4`, `awq` or `bf16`.

        A checkpoint that is already in that format keeps its own scales and exceptions.

        Args:
            dtype: Name of the format.

        Raises:
            ConfigurationError: The format is unknown.
        """
        own = self.architecture.quantization
        method = method_of(dtype.split("/", maxsplit=1)[0])
        if method is None:
            raise ConfigurationError(
                [Problem("weights_dtype", f"unknown format {dtype!r}; use bf16, fp8, nvfp4, mxfp4, awq, gptq or int8")]
            )
        if method == own.method or {method, own.method} == {"nvfp4", "mxfp4"}:
            return self
        experts_only = method in {"nvfp4", "mxfp4"} and self.architecture.moe is not None
        changed = Quantization(method=method, experts_only=experts_only, rest="bf16", block=None)
        return replace(self, architecture=replace(self.architecture, quantization=changed))

    def in_float32(self, *, wide: bool = True) -> ModelFacts:
        """Return the same model as SGLang loads it with `dtype: float32`: four bytes for each value that has no smaller format.

        Args:
            wide: False for 16 bits again.
        """
        quantization = replace(self.architecture.quantization, float32=wide)
        return replace(self, architecture=replace(self.architecture, quantization=quantization))


def weight_bytes(architecture: ModelArchitecture) -> float:
    """Return the stored bytes of all weights, including scales."""
    linear, experts = linear_bytes_per_weight(architecture)
    total = (architecture.attention_parameters + architecture.mlp_parameters) * linear
    total += architecture.expert_parameters * experts
    plain = architecture.embedding_parameters + architecture.router_parameters + architecture.vision_parameters
    return total + plain * architecture.quantization.plain_bytes


def linear_bytes_per_weight(architecture: ModelArchitecture) -> tuple[float, float]:
    """Return the stored bytes per weight of attention and MLP layers, and of routed experts."""
    quantization = architecture.quantization

    def size(method: str) -> float:
        if method == "bf16":
            return quantization.plain_bytes
        block = quantization.block if method == "fp8" == quantization.method else None
        return bytes_per_weight(method, block=block, group=quantization.group)

    quantized = size(quantization.method)
    usual = size(quantization.rest) if quantization.experts_only else quantized
    experts = quantized
    if not quantization.parts:
        return usual, experts
    linear = architecture.linear_parameters
    kinds = {
        "output": architecture.output_parameters,
        "linear": linear,
        "mlp": architecture.dense_mlp_parameters,
        "shared": architecture.shared_expert_parameters,
    }
    total = architecture.attention_parameters + architecture.mlp_parameters
    kinds["attention"] = architecture.attention_parameters - kinds["output"] - linear
    extra = 0.0
    for kind, method, share in quantization.parts:
        if kind == "experts":
            experts += share * (size(method) - quantized)
        else:
            extra += kinds[kind] * share * (size(method) - usual)
    return usual + extra / max(1.0, total), experts


def doubts(facts: ModelFacts) -> tuple[str, ...]:
    """Return the assumptions in a model's facts; empty if there are none."""
    if not facts.assumed_format:
        return ()
    method = facts.architecture.quantization.method
    return (
        (
            f"{facts.id} is planned as {method} throughout, from its name: its own quantization may leave layers out; "
            f"read it with: cdk-sglang models add {facts.id}"
        ),
    )
