"""Where a component's drafts are, and how its stack says which of them is served: names alone, without CDK."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdk_sglang.spec.model import Model
    from cdk_sglang.spec.speculative import Kind

BASE_VALUE: Final = "base,,,,,,"
"""Value of the parameter while the component serves its model alone."""
FIELDS: Final = ("version", "prefix", "algorithm", "steps", "topk", "draft_tokens", "accept_length")
"""Fields of the parameter, separated by commas."""
_NUMBERS: Final = "(EAGLE|EAGLE3|NEXTN|STANDALONE),[0-9]+,[0-9]+,[0-9]+|NGRAM,,,[0-9]+"
"""An empty variable would be a flag without a value, which SGLang refuses."""
ALLOWED_VALUES: Final = (
    rf'({BASE_VALUE}|r[0-9]{{8}}T[0-9]{{6}}-[0-9a-f]{{4}},[^,\\" ]+/,({_NUMBERS}),([0-9]+([.][0-9]+)?)?)'
)
"""Values that the parameter takes: what else is given is refused before anything changes."""
DRAFT_PATH: Final = "/opt/ml/model/draft"
"""Where the container finds the draft: below the model, whose prefix of a version has both."""
ACCEPT_LENGTH_SHARE: Final = 0.85
"""Share of the accept length measured at the promotion below which the alarm fires."""

_VARIABLES: Final = {
    "SM_SGLANG_SPECULATIVE_ALGORITHM": "algorithm",
    "SM_SGLANG_SPECULATIVE_NUM_STEPS": "steps",
    "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "topk",
    "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": "draft_tokens",
}
_OF_NGRAM: Final = ("SM_SGLANG_SPECULATIVE_ALGORITHM", "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS")
"""SGLang works steps and branches out of the tokens (0.5.23, arg_groups/speculative_hook.py, _handle_ngram)."""
DRAFT_PATH_VARIABLE: Final = "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH"


def variables_of(kind: Kind) -> dict[str, str]:
    """Return the variables of a component with a draft, each with the field of the parameter that it has the value of.

    Args:
        kind: Where the draft comes from.
    """
    return {name: field for name, field in _VARIABLES.items() if kind != "ngram" or name in _OF_NGRAM}


def parameter_id(component_name: str, model: Model) -> str:
    """Return the logical id of the parameter that says which version is served.

    Another model is another parameter, whose default is the model alone: a draft never serves beside a model that it was not trained for.

    Args:
        component_name: Name of the component in SageMaker.
        model: Its model.
    """
    place = f"{component_name}/{model.s3 or model.folder}"
    return f"Draft{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def drafts_prefix(component_name: str) -> str:
    """Return the prefix of all that belongs to a component's drafts, in the weights bucket."""
    return f"speculative/{component_name}/"


def versions_prefix(component_name: str) -> str:
    """Return the prefix of the versions that were promoted or may be."""
    return f"{drafts_prefix(component_name)}versions/"


def captured_prefix(endpoint_name: str) -> str:
    """Return the prefix of an endpoint's captured requests."""
    return f"captured/{endpoint_name}/"


def accept_length_alarm(component_name: str) -> str:
    """Return the name of the alarm on the accept length."""
    return f"{component_name}-accept-length"
