from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cdk_sglang.engine import SglangOptions, environment_problems
from cdk_sglang.engine.releases import KNOWN_RELEASES, release_of
from cdk_sglang.errors import ConfigurationError
from tests.engine.strategies import options_of

Entry = Callable[[Mapping[str, str]], list[str]]
Parse = Callable[[list[str]], dict[str, object]]
ParseAs = Callable[[str, list[str]], dict[str, object]]

_SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow])  # fmt: skip


@_SETTINGS
@given(fields=options_of(SglangOptions), release=st.sampled_from(KNOWN_RELEASES))
def test_any_options_render_an_environment_that_the_parser_of_the_images_sglang_reads_back(
    fields: dict[str, Any], release: str, entry: Entry, parse_as: ParseAs
) -> None:
    whole = SglangOptions.model_validate(fields)
    known = {flag for spec in release_of(release).options for flag in spec.flags}
    env = whole.environment(sglang_version=release)
    assert {f"--{name.removeprefix('SM_SGLANG_').lower().replace('_', '-')}" for name in env} <= known
    refused = {line.path.split(".")[1] for line in whole.problems_for("cdk-sglang", sglang_version=release)}
    options = SglangOptions.model_validate({name: value for name, value in fields.items() if name not in refused})
    found = options.problems("server", model_max_context=131072, gpu_capability="9.0", sglang_version=release)
    assume(not any("characters, SageMaker takes" in line for line in found))
    env = options.environment(sglang_version=release)
    assert environment_problems({}, "environment", rendered=env) == []
    parsed = parse_as(release, entry(env))
    groups = options.attn_dp_size if release < "0.5.22" else 1
    for _, dest, value in options.settings():
        spec = release_of(release).option(dest)
        if spec is None:
            continue
        expected = list(value) if isinstance(value, tuple) else value
        if dest == "dp_size" and groups > 1:
            expected = groups
        if isinstance(value, dict):
            expected = json.dumps(value, separators=(",", ":"), sort_keys=True)
        if dest == "trace_modules":
            expected = ",".join(value)
        if spec.value_type in {"loads", "json_list_type"}:
            expected = json.loads(value)
        if spec.is_switch and not value and not spec.can_be_negated:
            expected = spec.default
        assert parsed[dest] == expected, dest


@_SETTINGS
@given(fields=options_of(SglangOptions), release=st.sampled_from([None, *KNOWN_RELEASES]))
def test_what_is_fine_for_the_aws_container_uses_only_what_its_release_has(
    fields: dict[str, Any], release: str | None, dlc_entry: Entry, parse_as: ParseAs
) -> None:
    found = SglangOptions.model_validate(fields).problems_for("dlc", sglang_version=release)
    refused = {line.split(":")[0].split(".")[1] for line in found}
    options = SglangOptions.model_validate({name: value for name, value in fields.items() if name not in refused})
    assert options.problems_for("dlc", sglang_version=release) == []
    argv = dlc_entry(options.environment(image_kind="dlc", sglang_version=release))
    parse_as(release or "0.5.17", argv)


@_SETTINGS
@given(fields=options_of(SglangOptions))
def test_rendering_is_stable_and_what_a_round_trip_keeps(fields: dict[str, Any]) -> None:
    options = SglangOptions.model_validate(fields)
    again = SglangOptions.model_validate_json(options.model_dump_json())
    assert list(options.environment().items()) == list(again.environment().items())
    assert options.problems("s") == again.problems("s")
    assert options.gpus_per_copy >= options.tp_size


def _construct(noise: dict[str, Any]) -> SglangOptions | list[str]:
    try:
        return SglangOptions(**noise)
    except ConfigurationError as error:
        return list(error.problems)


@settings(max_examples=300, deadline=None)
@given(
    noise=st.dictionaries(
        st.sampled_from([*SglangOptions.model_fields, "tp", "modl"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers())
        | st.dictionaries(st.text(), st.text()),
        max_size=5,
    ),
    capability=st.sampled_from([None, "8.0", "8.9", "10.3", "12.0"]),
)
def test_anything_else_is_a_configuration_error_with_one_line_per_problem(
    noise: dict[str, Any], capability: str | None
) -> None:
    options = _construct(noise)
    if isinstance(options, list):
        assert options
        assert [line for line in options if not line.startswith("SglangOptions.")] == []
        return
    for line in options.problems("server", gpu_capability=capability) + options.problems_for("dlc", "server"):
        assert line.startswith("server.")
