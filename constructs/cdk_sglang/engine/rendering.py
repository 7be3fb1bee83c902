"""Converts options to SM_SGLANG_* variables, under the rules of the container's entry script.

The AWS Deep Learning Container (aws/deep-learning-containers, scripts/docker/sglang/sagemaker_entrypoint.sh, read in
August 2026) turns each variable into one flag: prefix off, lower case, "_" to "-", "--" in front; `true` in any case gives
the bare flag, `false` drops it, an empty value gives the bare flag, anything else is one value. It reads `env` line by
line and never splits a value.

Rules of this project: an option has the spelling of the image's release; a value is one line; values that equal that release's own default
are left out; a mapping is compact JSON with sorted keys; several values of one flag are joined by one space. This project's entry script
splits those (flags whose parser takes several values, nargs "+" or "*"); the AWS one does not, so only a single value works there
(`SglangOptions.problems_for`). A switch that is explicitly off is rendered in its `--no-` spelling if SGLang has one.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.flag_spec import FlagSpec
from cdk_sglang.engine.flags import flag_of
from cdk_sglang.engine.limits import MAX_VALUE_LENGTH
from cdk_sglang.engine.releases import Release
from cdk_sglang.errors import Problem

PREFIX: Final = "SM_SGLANG_"
"""Variables with this prefix become SGLang's arguments."""

ImageKind = Literal["dlc", "cdk-sglang"]
"""Kind of image, whose entry script reads the variables: the AWS Deep Learning Container's or this project's."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")  # accepted by argparse as a value although it starts with "-"
_EXACT = 2**53  # beyond this a float does not represent every whole number


def variable_of(spec: FlagSpec, *, negated: bool = False) -> str:
    """Return the variable that becomes an option's flag."""
    name = spec.flags[0].removeprefix("--").replace("-", "_").upper()
    return f"{PREFIX}NO_{name}" if negated else f"{PREFIX}{name}"


def render(options: OptionFields, *, release: Release) -> dict[str, str]:
    """Return the variables of every option that differs from a release's default, in a stable order.

    An option that the release does not have is left out; `images.problems` reports it.

    Args:
        options: The options.
        release: SGLang's release in the image.
    """
    rendered: dict[str, str] = {}
    for _, dest, value in options.settings():
        spec = release.option(dest)
        if spec is None:
            continue
        if spec.is_switch:
            if value:
                rendered[variable_of(spec)] = "true"
            elif spec.can_be_negated and spec.default is not False:
                rendered[variable_of(spec, negated=True)] = "true"
        elif (text := text_of(value, spec=spec)) != text_of(spec.default, spec=spec):
            rendered[variable_of(spec)] = text
    if options.attn_dp_size > 1 and spells_attention_groups_by_switch(release):
        rendered[variable_of(flag_of("dp_size"))] = str(options.attn_dp_size)
        rendered[variable_of(flag_of("enable_dp_attention"))] = "true"
    return dict(sorted(rendered.items()))


def spells_attention_groups_by_switch(release: Release) -> bool:
    """Return whether a release has `--dp-size N --enable-dp-attention` in place of `--attn-dp-size N`.

    0.5.22 introduced the latter and retired the former (arg_groups/parallel_hook.py).
    """
    return release.option("attn_dp_size") is None


def text_of(value: Any, *, spec: FlagSpec) -> str:
    """Return a value as the one line the variable holds."""
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    if isinstance(value, list | tuple):
        return (" " if spec.takes_list else ",").join(map(str, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value)


def problems(options: OptionFields, *, path: str) -> list[Problem]:
    """List values that cannot be passed through a variable to SGLang's parser unchanged."""
    found = []
    for where, dest, value in options.settings():
        spec = flag_of(dest)
        if spec.is_switch:
            continue
        text = text_of(value, spec=spec)
        why = _text_problem(text) or _list_problem(value, spec=spec)
        if why:
            found.append(Problem(f"{path}.{where}", why))
    return found


def _text_problem(text: str) -> str | None:
    if not text.strip() or text.lower() in {"true", "false"}:
        return f"the container reads {text!r} as a switch, not as a value; use another value"
    if "\n" in text or "\r" in text:
        return "the container reads one line per variable, got a line break; write it on one line"
    if text.startswith("-") and not _NUMBER.fullmatch(text):
        return f"SGLang would read {text!r} as a flag of its own; use a value that does not start with '-'"
    if len(text) > MAX_VALUE_LENGTH:
        return (
            f"{len(text)} characters, SageMaker takes {MAX_VALUE_LENGTH} per environment variable; "
            "put the value in a file beside the model and give its path where SGLang takes one"
        )
    return None


def _list_problem(value: Any, *, spec: FlagSpec) -> str | None:
    if not spec.takes_list:
        return None
    items = value if isinstance(value, list | tuple) else [value]
    broken = next((str(item) for item in items if re.search(r"\s", str(item)) or not str(item)), None)
    if broken is None:
        return None
    return f"several values are separated by spaces, got one with a space in it or empty: {broken!r}; write it without"
