"""Models of Hugging Face that the first deployment copies: whether the revision, its licence and its files can be had."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

from cdk_sglang.cli.doctor.account import CouldNotCheckError
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, unknown, warning
from cdk_sglang.cli.doctor.needs import HubNeeds, Needs
from cdk_sglang.errors import ConfigurationError, Problem

HUGGING_FACE: Final = "https://huggingface.co"
_TIMEOUT_S: Final = 15
_MOST_BYTES: Final = 32 * 2**20
"""A description lists the files of a repository, some hundred bytes each."""
_REFUSED: Final = {401, 403, 404}


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    code: str
    content: dict[str, Any]


def checks(needs: Needs, *, hub_url: str | None) -> Iterator[Check]:
    """Yield a check for each model that is copied from a hub.

    Args:
        needs: What the environment needs.
        hub_url: Address of another hub with Hugging Face's API; Hugging Face itself by default.

    Raises:
        ConfigurationError: The address is none.
    """
    url = hub_url or HUGGING_FACE
    if urlsplit(url).scheme not in {"https", "http"}:
        raise ConfigurationError([Problem("--hub-url", f"{url!r} is no address; use https://…")])
    for model in needs.hub_models:
        yield Check(name=f"Hugging Face: {model.repository}", look=partial(_look, model, url))


def _look(model: HubNeeds, url: str) -> Finding:
    answer = _ask(f"{url}/api/models/{quote(model.repository)}/revision/{model.revision}")
    page = f"{url}/{model.repository}"
    if answer.code == "RevisionNotFound":
        return failure(f"has no commit {model.revision}", f"correct `revision`: {page}/commits/main")
    if answer.status in _REFUSED:
        if model.token_secret is not None:
            return unknown(
                "is private, gated or not there: Hugging Face shows it to no stranger, and the secret's token is not read here",
                f"look at {page} with the account of the token in {model.token_secret}",
            )
        return failure(
            "is not there, or is private",
            f"correct `hugging_face`; for a private or gated model, give `token_secret`: {page}",
        )
    if not answer.content:
        raise CouldNotCheckError(f"{url} answered {answer.status} without a description", "run it again in a minute")
    return _described(model, answer.content, page)


def _described(model: HubNeeds, content: dict[str, Any], page: str) -> Finding:
    card = content.get("cardData")
    card = card if isinstance(card, dict) else {}
    licence = card.get("license_name") or card.get("license")
    if content.get("gated"):
        if model.token_secret is None:
            return failure(
                f"is gated (licence {licence or 'not stated'}), and there is no token",
                f"accept its licence at {page}, store a read token in Secrets Manager, and name it as `token_secret`",
            )
        return ok(
            f"commit {model.revision[:12]}, licence {licence or 'not stated'}; gated: the account of the token in "
            f"{model.token_secret} must have accepted it at {page}, which is not tried here"
        )
    if licence is None:
        return warning(
            f"commit {model.revision[:12]} is there, and states no licence", f"read {page} before you serve it"
        )
    return ok(f"commit {model.revision[:12]}, licence {licence}")


def _ask(url: str) -> _Answer:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310  checked in `checks`
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310  as above
            content = json.loads(response.read(_MOST_BYTES))
            return _Answer(status=response.status, code="", content=content if isinstance(content, dict) else {})
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(status=error.code, code=error.headers.get("X-Error-Code", ""), content={})
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CouldNotCheckError(
            f"{urlsplit(url).netloc} was not reached: {reason}",
            "offline this cannot be looked at; the copy itself is made from AWS's network",
        ) from error
