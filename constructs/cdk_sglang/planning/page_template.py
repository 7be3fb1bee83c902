"""Loads page templates of a package, with fallback to the parts that all pages share (`plan.css`, `drawings.html`, `axes.html`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(name: str, *, package: str, filters: Mapping[str, Callable[..., Any]]) -> Template:
    """Return a template that escapes every value and fails on a missing one.

    Args:
        name: File name of the template.
        package: Package whose folder `templates` contains it.
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
