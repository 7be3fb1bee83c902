"""Convert `SM_SGLANG_*` variables to SGLang's argument vector.

The rules are those of the AWS SGLang container (aws/deep-learning-containers, scripts/docker/sglang/
sagemaker_entrypoint.sh, read 2026-08): the prefix is removed, letters become lower case, `_` becomes `-`; `true` or nothing is a bare flag, `false` leaves
the flag out, anything else is the flag and its value. In addition:

- flags with several values take them separated by spaces (quotes are honoured) or as a JSON list; a JSON object is one value;
- `false` on a flag that has a `--no-` form passes that form, where the AWS entry passes nothing;
- aliases are the same flag (`SM_SGLANG_MODEL` and `SM_SGLANG_MODEL_PATH`), so giving both is an error, not a race;
- a value that begins with `-` remains a value;
- what the contract owns (address, port, TLS, keys; `reserved_flags.json`) is refused, as is a value of several lines, which `env` parsing cuts.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_sglang_container.flags import PREFIX, Arity, Flag, Flags
from cdk_sglang_container.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang_container.settings import Settings

RESERVED: Mapping[str, str] = json.loads(Path(__file__).with_name("reserved_flags.json").read_text(encoding="utf-8"))[
    "refused"
]
"""Fields of SGLang's ServerArgs that a copy behind a SageMaker endpoint cannot have set, and why."""

# Options that are refused because a newer one replaces them, unless the installed release lacks the newer one.
_SUCCESSORS = {"enable_dp_attention": "attn_dp_size"}  # since 0.5.22
_ACCESS_LOG = "uvicorn_access_log_exclude_prefixes"
_ENGINE_VARIABLE = PREFIX + "ENGINE"
_SWITCH_ON, _SWITCH_OFF = ("true", ""), "false"
_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


def build_arguments(environment: Mapping[str, str], *, flags: Flags, settings: Settings) -> list[str]:
    """The argument vector for SGLang's parser.

    Args:
        environment: Usually `os.environ`; only `SM_SGLANG_*` is read. Order does not matter.
        flags: What SGLang accepts.
        settings: Address, port and model folder.

    Returns:
        Arguments without a program name.

    Raises:
        RefusedError: With every problem found.
    """
    problems: list[str] = []
    arguments: list[str] = []
    named: dict[str, str] = {}
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        value = environment[variable]
        if variable == _ENGINE_VARIABLE:
            if value.strip().lower() not in {"", "srt"}:
                problems.append(f"{variable}: this container serves language models only, got {value!r}; leave it out")
            continue
        found = _check_name(variable, value, flags=flags)
        if isinstance(found, str):
            problems.append(found)
            continue
        option, flag = found
        if flag.dest in named:
            problems.append(f"{variable}: is the same flag as {named[flag.dest]}; keep one")
            continue
        named[flag.dest] = variable
        tokens = _tokens(variable, value, option=option, flag=flag)
        if isinstance(tokens, str):
            problems.append(tokens)
        else:
            arguments += tokens
    if problems:
        raise RefusedError(problems)
    if "model_path" not in named:
        arguments += ["--model-path", settings.model_dir]
    if _ACCESS_LOG not in named:
        arguments += ["--" + _ACCESS_LOG.replace("_", "-"), "/ping"]  # saves a line every few seconds in CloudWatch
    return [*arguments, "--host", settings.host, "--port", str(settings.port)]


def _check_name(variable: str, value: str, *, flags: Flags) -> tuple[str, Flag] | str:
    if "\n" in value or "\r" in value:
        return f"{variable}: must be one line, got {len(value.splitlines())}; JSON can be written on one line"
    found = flags.find(variable)
    if isinstance(found, str):
        return found
    dest = found[1].dest
    reason = RESERVED.get(dest) if flags.has(_SUCCESSORS.get(dest, dest)) else None
    return f"{variable}: cannot be set: {reason}" if reason else found


def _tokens(variable: str, value: str, *, option: str, flag: Flag) -> list[str] | str:
    """The arguments that one variable stands for, or the problem in words."""
    word = value.strip().lower()
    if flag.arity is Arity.SWITCH:
        return _switch(variable, value, option=option, flag=flag)
    if word == _SWITCH_OFF and _SWITCH_OFF not in flag.choices:
        return []
    if word in _SWITCH_ON and word not in flag.choices:
        if flag.arity is Arity.OPTIONAL:
            return [option]
        return f"{variable}: {option} needs {flag.arity.value} value, got {value!r}; give one or leave the variable out"
    if flag.arity is Arity.VALUES:
        return _several(variable, value, option=option, flag=flag)
    return _wrong_choice(variable, [value], flag=flag) or _pair(option, value)


def _several(variable: str, value: str, *, option: str, flag: Flag) -> list[str] | str:
    values = _split(variable, value)
    if isinstance(values, str):
        return values
    dashed = [item for item in values if item.startswith("-") and not _NUMBER.match(item)]
    if dashed:
        return f"{variable}: a value of a list cannot begin with '-', got {dashed[0]!r}"
    return _wrong_choice(variable, values, flag=flag) or [option, *values]


def _switch(variable: str, value: str, *, option: str, flag: Flag) -> list[str] | str:
    word = value.strip().lower()
    if word in _SWITCH_ON:
        return [option]
    if word != _SWITCH_OFF:
        return f"{variable}: {option} is on or off: 'true' or 'false', got {value!r}"
    if flag.says_no(option):
        return [next(other for other in flag.options if not flag.says_no(other))]
    return [flag.negation] if flag.negation and not option.startswith("--no-") else []


def _pair(option: str, value: str) -> list[str]:
    """Flag and value; joined by `=` if argparse would read the value as another flag."""
    if value.startswith("-") and not _NUMBER.match(value):
        return [f"{option}={value}"]
    return [option, value]


def _split(variable: str, value: str) -> list[str] | str:
    """The values of a flag that takes several."""
    text = value.strip()
    if text.startswith("{"):
        return [text]
    if text.startswith("["):
        try:
            items = json.loads(text)
        except json.JSONDecodeError as error:
            return f"{variable}: is not a JSON list ({error}), got {value!r}"
        return [item if isinstance(item, str) else json.dumps(item, separators=(",", ":")) for item in items]
    try:
        return shlex.split(text)
    except ValueError as error:
        return f"{variable}: cannot be split into values ({error}), got {value!r}; quote them or give a JSON list"


def _wrong_choice(variable: str, values: list[str], *, flag: Flag) -> str | None:
    wrong = [value for value in values if flag.choices and value not in flag.choices]
    if wrong:
        return f"{variable}: must be one of {', '.join(flag.choices)}, got {wrong[0]!r}"
    return None
