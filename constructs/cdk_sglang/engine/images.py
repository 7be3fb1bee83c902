"""What an image cannot do of what the options ask: the entry script's rules and the release of SGLang inside."""

from __future__ import annotations

import re
from typing import Any, Final

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.flags import DLC_SGLANG_VERSION, FlagSpec, dlc_gaps, flag_of
from cdk_sglang.engine.rendering import ImageKind, render, text_of, variable_of
from cdk_sglang.errors import Problem

_OURS: Final = "use the image of cdk-sglang (ServingImage.from_build)"
_DLC: Final = f"the AWS container has SGLang {DLC_SGLANG_VERSION}"

# The AWS entry script looks for these in its arguments joined by spaces to decide whether to add its own (August 2026).
_PRESENCE_TEST = re.compile(r"\s--(port|host|model-path)\s")


def problems(options: OptionFields, *, image_kind: ImageKind, path: str) -> list[Problem]:
    """List what an image's entry script or SGLang release cannot do; this project's image runs every valid option."""
    if image_kind == "cdk-sglang":
        return []
    rendered = render(options, image_kind="dlc")
    found = []
    for where, dest, value in options.settings():
        spec = flag_of(dest)
        asked = variable_of(spec) in rendered or variable_of(spec, negated=True) in rendered
        why = _problem(spec, value) if asked else None
        if why is not None:
            found.append(Problem(f"{path}.{where}", why))
    return found


def _problem(spec: FlagSpec, value: Any) -> str | None:  # noqa: ANN401 (any option's value)
    gaps = dlc_gaps()
    flag = f"--no-{spec.flags[0].removeprefix('--')}" if spec.is_switch and value is False else spec.flags[0]
    if flag in gaps.flags:
        return f"{_DLC}, which has no {flag}; leave it out or {_OURS}"
    items = value if isinstance(value, list | tuple) else [value]
    late = [str(item) for item in items if str(item) in gaps.choices.get(spec.dest, frozenset())]
    if late:
        return f"{_DLC}, which does not take {', '.join(late)}; choose another value or {_OURS}"
    if spec.takes_list and len(items) > 1:
        return f"the AWS container hands over one value per flag, got {len(items)}; {_OURS}"
    if _PRESENCE_TEST.search(f" {text_of(value, spec=spec)} "):
        return f"the AWS container would take this text for a flag of its own; {_OURS}"
    return None
