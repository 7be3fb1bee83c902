"""pip's package index settings, as environment variables for uv.

uv reads neither pip.conf nor `PIP_*`; on a machine whose packages come from a mirror or a folder, only pip is configured for it.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SECTIONS: Final = ("global.", "install.", ":env:.")
"""Sections in which `pip install` reads settings, lowest precedence first (https://pip.pypa.io/en/stable/topics/configuration/, read 2026-11)."""

_VARIABLES: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
"""Settings of pip, and the variables of uv 0.13 with the same meaning."""

_OLDER_NAMES: Final = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
_COMMA_SEPARATED: Final = {"UV_FIND_LINKS"}
_NO: Final = {"", "0", "false", "no", "off"}


def pip_settings(listing: str) -> dict[str, str]:
    """Return the settings that `pip install` would use, by name.

    Args:
        listing: Output of `pip config list`, one `section.name='value'` a line.

    Returns:
        Values by name with hyphens, for example `index-url`; lists are separated by spaces.
    """
    settings: dict[str, str] = {}
    for section in _SECTIONS:
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section) and value:
                settings[name.removeprefix(section).replace("_", "-")] = " ".join(_unquoted(value).split())
    return settings


def uv_variables(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make uv use pip's indexes.

    Args:
        settings: pip's settings by name.
        environment: Variables that are set already; uv's own take precedence over pip's settings.

    Returns:
        The variables to add to the environment.
    """
    # pip takes a file from any index that has it, uv from the first that knows the name. Every file is checked against its hash,
    # so an index cannot substitute another file.
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name, value in settings.items():
        variable = _VARIABLES.get(name)
        if variable == "UV_NO_INDEX" and value.lower() in _NO:
            continue
        if variable is not None and value:
            variables[variable] = value.replace(" ", ",") if variable in _COMMA_SEPARATED else value
    return {
        name: value
        for name, value in variables.items()
        if not environment.get(name) and not environment.get(_OLDER_NAMES.get(name, name))
    }


def read_settings(python: Path) -> dict[str, str]:
    """Read the settings of a pip.

    Args:
        python: Interpreter of an environment with pip.

    Returns:
        Values by name, as from `pip_settings`.
    """
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "config", "list"]
    return pip_settings(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def uv_environment(uv: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a uv that uses the indexes of the pip beside it.

    Args:
        uv: uv's executable, in an environment that has pip too.
        environment: The environment to start from.

    Returns:
        A new mapping.
    """
    settings = read_settings(uv.with_name("python"))
    return {**environment, **uv_variables(settings, environment)}


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value
