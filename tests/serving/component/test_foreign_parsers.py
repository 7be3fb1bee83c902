from __future__ import annotations

from aws_cdk.assertions import Annotations, Match

from cdk_sglang import ModelSource, SglangOptions
from tests.support.fleets import Built


def test_a_parser_of_another_makers_models_is_a_warning_with_the_right_one() -> None:
    built = Built()
    built.add(
        "qwen",
        model=ModelSource.from_s3("s3://models/qwen/", model_id="Qwen/Qwen3-8B", check=False),
        server=SglangOptions(tool_call_parser="llama3", reasoning_parser="qwen3"),
    )
    found = Annotations.from_stack(built.stack).find_warning(
        "*", Match.string_like_regexp("server.tool_call_parser is llama3")
    )
    assert len(found) == 1
    assert "; use qwen, or acknowledge this" in str(found[0].entry.data)
    assert not Annotations.from_stack(built.stack).find_warning(
        "*", Match.string_like_regexp("server.reasoning_parser")
    )
