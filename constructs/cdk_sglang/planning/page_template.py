"""Templates of pages: those of a room, and behind them what all pages share (`plan.css`, `drawings.html`, `axes.html`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(name: str, *, package: str, filters: Mapping[str, Callable[..., Any]]) -> Template:
    """Return a template that escapes every value and refuses to leave one out.

    Args:
        name: File of the template.
        package: Package whose folder `templates` has it.
        filters: Filters by name.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("cdk_sglang.planning")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return environment.get_template(name)
