"""Location of a component's drafts, and the parameter with which its stack selects the served one. Names only, without CDK."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdk_sglang.spec.model import Model
    from cdk_sglang.spec.speculative import Kind

BASE_VALUE: Final = "base,,,,,,"
"""Value of the parameter while the component serves its model without a draft."""
FIELDS: Final = ("version", "prefix", "algorithm", "steps", "topk", "draft_tokens", "accept_length")
"""Fields of the parameter, separated by commas."""
_NUMBERS: Final = "(EAGLE|EAGLE3|NEXTN|STANDALONE),[0-9]+,[0-9]+,[0-9]+|NGRAM,,,[0-9]+"
"""Numbers are required, because an empty variable would become a flag without a value, which SGLang rejects."""
ALLOWED_VALUES: Final = (
    rf'({BASE_VALUE}|r[0-9]{{8}}T[0-9]{{6}}-[0-9a-f]{{4}},[^,\\" ]+/,({_NUMBERS}),([0-9]+([.][0-9]+)?)?)'
)
"""Values that the parameter accepts; CloudFormation refuses any other value before it changes anything."""
DRAFT_PATH: Final = "/opt/ml/model/draft"
"""Path of the draft in the container: below the model, because the prefix of a version contains both."""
ACCEPT_LENGTH_SHARE: Final = 0.85
"""Share of the accept length measured at the promotion below which the alarm fires."""

_VARIABLES: Final = {
    "SM_SGLANG_SPECULATIVE_ALGORITHM": "algorithm",
    "SM_SGLANG_SPECULATIVE_NUM_STEPS": "steps",
    "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "topk",
    "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": "draft_tokens",
}
_OF_NGRAM: Final = ("SM_SGLANG_SPECULATIVE_ALGORITHM", "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS")
"""Variables for n-gram drafts: SGLang derives steps and branches from the tokens (0.5.23, arg_groups/speculative_hook.py, _handle_ngram)."""
DRAFT_PATH_VARIABLE: Final = "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH"


def variables_of(kind: Kind) -> dict[str, str]:
    """Return the environment variables of a component with a draft, each with the field of the parameter that holds its value.

    Args:
        kind: Source of the draft.
    """
    return {name: field for name, field in _VARIABLES.items() if kind != "ngram" or name in _OF_NGRAM}


def parameter_id(component_name: str, model: Model) -> str:
    """Return the logical id of the parameter that selects the served version.

    Another model has another parameter, whose default is the model without a draft: a draft is never used with a model it was not trained for.

    Args:
        component_name: Name of the component in SageMaker.
        model: Its model.
    """
    place = f"{component_name}/{model.s3 or model.folder}"
    return f"Draft{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def drafts_prefix(component_name: str) -> str:
    """Return the prefix of everything that belongs to a component's drafts, in the weights bucket."""
    return f"speculative/{component_name}/"


def versions_prefix(component_name: str) -> str:
    """Return the prefix of the versions that were or may be promoted."""
    return f"{drafts_prefix(component_name)}versions/"


def captured_prefix(endpoint_name: str) -> str:
    """Return the prefix of an endpoint's captured requests."""
    return f"captured/{endpoint_name}/"


def accept_length_alarm(component_name: str) -> str:
    """Return the name of the accept-length alarm."""
    return f"{component_name}-accept-length"
