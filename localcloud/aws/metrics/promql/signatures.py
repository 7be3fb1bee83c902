"""Functions of PromQL: the types of their arguments and of their result."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.aws.metrics.promql.nodes import Kind


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Types of a function's arguments (the last repeats), their minimum and maximum number, and the type of its result."""

    arguments: tuple[Kind, ...] = ()
    least: int
    most: int
    result: Kind = "vector"


def _of(*arguments: Kind, least: int | None = None, most: int | None = None, result: Kind = "vector") -> Signature:
    count = len(arguments)
    return Signature(
        arguments=arguments,
        least=count if least is None else least,
        most=count if most is None else most,
        result=result,
    )


MAPPED = ("abs", "ceil", "exp", "floor", "ln", "log10", "log2", "sgn", "sqrt", "deg", "rad")
"""Functions of each sample's value."""
DATES = ("year", "month", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute")
RANGED = (
    "rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time", "max_over_time",
    "sum_over_time", "count_over_time", "last_over_time", "present_over_time", "stddev_over_time", "stdvar_over_time",
    "absent_over_time",
)  # fmt: skip
"""Functions whose only argument is a range vector."""
NATIVE = ("histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar")
"""Functions of native histograms, which nothing here has."""

FUNCTIONS: dict[str, Signature] = {
    **{name: _of("vector") for name in (*MAPPED, *NATIVE, "absent", "timestamp", "sort", "sort_desc")},
    **{name: _of("vector", least=0, most=1) for name in DATES},
    **{name: _of("matrix") for name in RANGED},
    "quantile_over_time": _of("scalar", "matrix"),
    "predict_linear": _of("matrix", "scalar"),
    "histogram_quantile": _of("scalar", "vector"),
    "histogram_fraction": _of("scalar", "scalar", "vector"),
    "clamp": _of("vector", "scalar", "scalar"),
    "clamp_min": _of("vector", "scalar"),
    "clamp_max": _of("vector", "scalar"),
    "round": _of("vector", "scalar", least=1),
    "scalar": _of("vector", result="scalar"),
    "vector": _of("scalar"),
    "time": _of(least=0, most=0, result="scalar"),
    "pi": _of(least=0, most=0, result="scalar"),
    "label_replace": _of("vector", "string", "string", "string", "string"),
    "label_join": _of("vector", "string", "string", "string", least=3, most=99),
}
