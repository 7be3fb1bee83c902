"""Models of Hugging Face that the first deployment copies: whether the revision, its licence and its files are available."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, CouldNotCheckError, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, unknown, warning
from cdk_sglang.cli.doctor.https import TIMEOUT_S, ask, not_reached
from cdk_sglang.environments.account_needs import HubNeeds, Needs
from cdk_sglang.errors import ConfigurationError, Problem

HUGGING_FACE: Final = "https://huggingface.co"
_REFUSED: Final = {401, 403, 404}
_FILE: Final = "config.json"
"""A file of every model that SGLang serves."""
_REDIRECTED: Final = 400
"""Statuses below are the file, or the way to it."""
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


def checks(needs: Needs, account: Account, *, hub_url: str | None, tries_tokens: bool) -> Iterator[Check]:
    """Yield a check for each model that is copied from a hub.

    Args:
        needs: What the environment needs.
        account: The account, in which the tokens are.
        hub_url: Address of another hub with Hugging Face's API; Hugging Face itself by default.
        tries_tokens: Whether tokens are read from their secrets and tried on a file of their model.

    Raises:
        ConfigurationError: The address is not valid.
    """
    url = hub_url or HUGGING_FACE
    if urlsplit(url).scheme not in {"https", "http"}:
        raise ConfigurationError([Problem("--hub-url", f"{url!r} is no address; use https://…")])
    for model in needs.hub_models:
        yield Check(name=f"Hugging Face: {model.repository}", look=partial(_look, model, url))
        if tries_tokens and model.token_secret is not None:
            look = partial(_try_token, model, model.token_secret, url, account)
            yield Check(name=f"token: {model.repository}", look=look)


def _look(model: HubNeeds, url: str) -> Finding:
    answer = ask(f"{url}/api/models/{quote(model.repository)}/revision/{model.revision}")
    page = f"{url}/{model.repository}"
    if answer.code == "RevisionNotFound":
        return failure(f"has no commit {model.revision}", f"correct `revision`: {page}/commits/main")
    if answer.status in _REFUSED:
        if model.token_secret is not None:
            return unknown(
                "is private, gated or does not exist: Hugging Face does not show it without a token, and the secret's token is not read here (--try-tokens)",
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
            f"{model.token_secret} must have accepted it at {page}, which --try-tokens tries"
        )
    if licence is None:
        return warning(
            f"commit {model.revision[:12]} is there, and states no licence", f"read {page} before you serve it"
        )
    return ok(f"commit {model.revision[:12]}, licence {licence}")


def _try_token(model: HubNeeds, secret: str, url: str, account: Account) -> Finding:
    """Ask for a file of the model with the token of its secret, and tell the refusals apart; the file is not read.

    Statuses and X-Error-Code as in huggingface_hub's `hf_raise_for_status` (https://github.com/huggingface/huggingface_hub, read 2026-12).
    """
    address = urlsplit(url)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise CouldNotCheckError("a token is not sent without TLS", "give --hub-url as https://…")
    token = _token_of(secret, account)
    page = f"{url}/{model.repository}"
    status, code = _head(f"{page}/resolve/{model.revision}/{_FILE}", token)
    if status < _REDIRECTED or code == "EntryNotFound":
        return ok(f"the token of {secret} reads the model's files")
    if code == "GatedRepo":
        return failure(
            f"the account of the token in {secret} has no access to the gated model ({status})",
            f"accept its licence at {page} with that account; some owners approve by hand, which takes time",
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return failure(
            f"the hub does not accept the token of {secret} (401): it is wrong, revoked or expired",
            "make a read token at https://huggingface.co/settings/tokens, and store it in the secret",
        )
    if status == HTTPStatus.FORBIDDEN:
        return failure(
            f"the token of {secret} is good, and may not read this model (403)",
            "give a fine-grained token the permission to read gated repositories, or use a read token; a network may refuse as well",
        )
    if code in {"RepoNotFound", "RevisionNotFound"} or status == HTTPStatus.NOT_FOUND:
        return failure(
            f"the account of the token in {secret} sees no such model or commit (404)",
            f"correct `hugging_face` and `revision`, or let the account see it: {page}",
        )
    raise CouldNotCheckError(f"{address.netloc} answered {status}", "run it again in a minute")


def _token_of(secret: str, account: Account) -> str:
    """Return the token: the secret's text, or `token` of its JSON, as the copy reads it."""
    try:
        text = str(account.call("secretsmanager", "get_secret_value", SecretId=secret).get("SecretString", "")).strip()
    except ClientError as error:
        raise CouldNotCheckError(f"secret {secret}: {code_of(error)}", "the check of the secret says more") from error
    if text.startswith("{"):
        try:
            text = str(json.loads(text).get("token") or "")
        except ValueError:
            text = ""
    if not text or not text.isprintable() or not text.isascii():
        raise CouldNotCheckError(
            f"secret {secret} holds no token: neither a text nor JSON with the key 'token'", "store a read token in it"
        )
    return text


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which would send the token to the host that stores the files."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return None: no further request is made."""


def _head(url: str, token: str) -> tuple[int, str]:
    """Return status and X-Error-Code; a redirect to the file's store counts as success."""
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers, method="HEAD")
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=TIMEOUT_S) as response:
            return response.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("X-Error-Code", "")
    except OSError as error:
        raise not_reached(url, error) from None
