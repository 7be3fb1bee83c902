"""Which adapter answers a request: translates SageMaker's header and the body's `model` to SGLang's fields.

SGLang 0.5.23 answers a `model` it does not know from the base model, with 200. On a server with LoRA that is the wrong
model's answer, so it is refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdk_sglang_container.http import HttpError

if TYPE_CHECKING:
    from collections.abc import Collection

# What SGLang's OpenAI protocol fills in for an absent `model`.
_UNNAMED = (None, "", "default")


def choose_adapter(
    body: dict[str, Any], *, header_adapter: str | None, base: str, adapters: Collection[str]
) -> dict[str, Any]:
    """Return the body with `lora_path` set to the adapter to use; `model` is unchanged, since the answer repeats it.

    Args:
        body: A chat or completion request.
        header_adapter: `X-Amzn-SageMaker-Adapter-Identifier`.
        base: SGLang's served model name.
        adapters: Names of the existing adapters.

    Raises:
        HttpError: 404 for a model or adapter that does not exist, 400 if the header and the body disagree.
    """
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise HttpError(400, f"model must be a string, got {type(model).__name__}")
    named = _adapter_in(model, base=base, adapters=adapters)
    listed = body.get("lora_path")
    if isinstance(listed, str) and listed:
        if named not in {None, listed}:
            raise HttpError(400, f"model names adapter {named} and lora_path {listed}; keep one")
        named = listed
    if header_adapter is not None and named not in {None, header_adapter}:
        raise HttpError(400, f"the request names adapter {named} and was sent to adapter {header_adapter}; keep one")
    adapter = header_adapter if header_adapter is not None else named
    if adapter is None:
        return body
    if adapter not in adapters:
        raise HttpError(404, f"The adapter {adapter} was not found")
    return {**body, "lora_path": adapter}


def _adapter_in(model: str | None, *, base: str, adapters: Collection[str]) -> str | None:
    """The adapter a `model` names; None for the base model."""
    if model in _UNNAMED or model == base:
        return None
    assert model is not None
    if model in adapters:
        return model
    for prefix in (f"{base}:", "default:"):
        if model.startswith(prefix):
            return model.removeprefix(prefix)
    raise HttpError(404, f"The model {model} does not exist: this server has the base model {base} and its adapters")
