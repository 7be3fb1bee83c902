"""What the tools answer, to right and to wrong calls, and that no log has a patient in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang._runtime.clinical import handler
from cdk_sglang._runtime.clinical.arguments import SCHEMAS, problems_of
from cdk_sglang._runtime.clinical.patients import name_keys

Call = Callable[..., dict[str, Any]]
ANA, KEY = "p-0123456789ab", "intake-20261130-1"


def _refusal(answer: dict[str, Any]) -> str:
    assert answer["isError"] is True
    return str(answer["content"][0]["text"])


def _fhir(**changes: Any) -> str:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "code": {"text": "Intake"},
        "subject": {"reference": f"Patient/{ANA}"},
    }
    return json.dumps({**report, **changes})


@pytest.mark.parametrize("query", ["Ana Silvestre", "ana silvestre", "Silvestre, Ana", ANA])
def test_one_patient_is_shown_without_what_the_model_has_no_use_for(call: Call, query: str) -> None:
    (patient,) = call("patient_search", query=query)["patients"]
    assert patient["patient_id"] == ANA
    assert patient["allergies"] == ["penicillin"]
    assert "insurance_number" not in patient
    assert "name_lower" not in patient


def test_a_family_name_of_two_letters_is_found(call: Call) -> None:
    li = {"patient_id": "p-0123456789ad", "name": "Wei Li", "birth_date": "1980-05-05"}
    boto3.resource("dynamodb").Table("patients").put_item(Item={**li, **name_keys("Li", "Wei Li")})
    assert call("patient_search", query="Li")["patients"] == [li]


def test_several_patients_of_a_name_are_counted_and_not_listed(call: Call) -> None:
    answer = call("patient_search", query="Silvestre")
    assert (answer["count"], answer["patients"]) == (2, [])
    assert "date of birth" in answer["hint"]


def test_the_date_of_birth_tells_patients_of_a_name_apart(call: Call) -> None:
    (patient,) = call("patient_search", query="Silvestre", birth_date="1990-01-02")["patients"]
    assert patient["name"] == "Bea Silvestre"


@pytest.mark.parametrize("query", ["Nobody", "An", "p-ffffffffffff"])
def test_an_unknown_patient_is_an_answer_with_the_next_step(call: Call, query: str) -> None:
    answer = call("patient_search", query=query)
    assert answer["count"] == 0
    assert "hand over to a clinician" in answer["hint"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "query: missing"),
        ({"query": 7}, "query: a text is expected"),
        ({"query": "S"}, "query: use 2 characters or more"),
        ({"query": "x" * 81}, "query: has 81 characters; use 80 or fewer"),
        ({"query": "Silvestre\n"}, "query: does not match"),
        ({"query": "12345"}, "query: has no name and no patient id in it"),
        ({"query": "Silvestre", "birth_date": "30.04.1961"}, "birth_date: does not match"),
        ({"query": "Silvestre", "birth_date": "1961-02-30"}, "birth_date: there is no such day"),
        ({"query": "Silvestre", "limit": "1000"}, "unknown argument; use query, birth_date"),
    ],
)
def test_a_wrong_argument_is_a_result_that_says_what_is_right(call: Call, arguments: dict[str, Any], text: str) -> None:
    answer = _refusal(call("patient_search", **arguments))
    assert answer.startswith("bad-arguments: ")
    assert text in answer


@pytest.mark.parametrize(
    ("form", "content", "extension"),
    [("markdown", "# Intake\n\nfever", "md"), ("json", '{"fever": true}', "json"), ("fhir", _fhir(), "fhir.json")],
)
def test_a_report_is_saved_under_a_key_without_the_patient(
    call: Call, bucket: str, form: str, content: str, extension: str
) -> None:
    answer = call("save_medical_report", patient_id=ANA, format=form, content=content, idempotency_key=KEY)
    (item,) = boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert item["Key"].startswith("reports/")
    assert item["Key"].endswith(f"/{answer['report_id']}.{extension}")
    assert ANA not in item["Key"]
    saved = boto3.client("s3").get_object(Bucket=bucket, Key=item["Key"])
    assert saved["Body"].read().decode() == content
    assert saved["ServerSideEncryption"] == "aws:kms"
    assert answer["version_id"] == saved["VersionId"]


def test_the_same_save_twice_is_one_report(call: Call, bucket: str) -> None:
    arguments = {"patient_id": ANA, "format": "markdown", "content": "fever", "idempotency_key": KEY}
    assert call("save_medical_report", **arguments) == call("save_medical_report", **arguments)
    assert len(boto3.client("s3").list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_saved_report_is_never_changed(call: Call, bucket: str) -> None:
    arguments = {"patient_id": ANA, "format": "markdown", "idempotency_key": KEY}
    call("save_medical_report", **arguments, content="fever")
    assert _refusal(call("save_medical_report", **arguments, content="no fever")).startswith("already-saved: ")
    (version,) = boto3.client("s3").list_object_versions(Bucket=bucket)["Versions"]
    saved = boto3.client("s3").get_object(Bucket=bucket, Key=version["Key"])
    assert saved["Body"].read() == b"fever"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"patient_id": "../../secrets"}, "bad-arguments: patient_id: does not match"),
        ({"patient_id": "p-ffffffffffff"}, "unknown-patient: "),
        ({"format": "pdf"}, "bad-arguments: format: use one of markdown, json, fhir"),
        ({"format": "json", "content": "fever"}, "bad-content: content: is not JSON"),
        ({"format": "json", "content": "[1]"}, "bad-content: content: a JSON object is expected"),
        ({"format": "json", "content": "[" * 50_000}, "bad-content: content: is not JSON"),
        ({"content": " \n"}, "bad-content: content: is empty"),
        ({"content": "fever\x00"}, "bad-content: content: has control characters"),
        ({"content": "x" * 60_001}, "bad-arguments: content: has 60001 characters"),
        ({"idempotency_key": "a/b"}, "bad-arguments: idempotency_key: does not match"),
        ({"key": "reports/other.md"}, "bad-arguments: unknown argument"),
        ({"format": "fhir", "content": _fhir(resourceType="Patient")}, "resourceType must be DiagnosticReport"),
        ({"format": "fhir", "content": _fhir(status="done")}, "status must be one of"),
        ({"format": "fhir", "content": _fhir(code={})}, "code needs text or coding"),
        ({"format": "fhir", "content": _fhir(subject={"reference": "Patient/p-0123456789ac"})}, "other-patient: "),
        ({"format": "fhir", "content": _fhir(subject="Ana")}, "other-patient: "),
    ],
)
def test_a_refused_report_is_not_saved(call: Call, bucket: str, changes: dict[str, str], text: str) -> None:
    right = {"patient_id": ANA, "format": "markdown", "content": "fever", "idempotency_key": KEY}
    assert text in _refusal(call("save_medical_report", **{**right, **changes}))
    assert boto3.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("name", ["", "clinical___drop_table", "drop_table"])
def test_an_unknown_tool_is_refused(call: Call, name: str) -> None:
    assert _refusal(call(name)).startswith("unknown-tool: ")


def test_a_call_that_no_gateway_made_is_refused() -> None:
    assert _refusal(handler.handler({"query": "Ana"}, None)).startswith("unknown-tool: ")


def test_a_service_that_is_down_is_an_answer_without_its_words(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Table:
        def query(self, **_: Any) -> dict[str, Any]:
            message = "Silvestre is not available"
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": message}}, "Query")

    monkeypatch.setattr(handler, "_table", Table)
    answer = _refusal(call("patient_search", query="Silvestre"))
    assert answer.startswith("unavailable: ")
    assert "Silvestre" not in answer + caplog.text
    assert "ThrottlingException" in caplog.text


def test_no_log_and_no_refusal_has_a_word_of_the_arguments(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="clinical")
    call("patient_search", query="Ana Silvestre", birth_date="1961-04-30")
    call("save_medical_report", patient_id=ANA, format="markdown", content="has a fever", idempotency_key=KEY)
    refusals = [
        _refusal(call("patient_search", query="Ana Silvestre", birth_date="Ana")),
        _refusal(call("save_medical_report", patient_id="Ana", format="Ana", content="", idempotency_key="Ana")),
    ]
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "clinical"]
    assert [line["outcome"] for line in lines] == ["ok", "ok", "bad-arguments", "bad-arguments"]
    everything = json.dumps(lines) + "".join(refusals)
    for word in ("Ana", "Silvestre", "1961", "fever", ANA, KEY):
        assert word not in everything


@given(arguments=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_a_model_sends_is_checked_without_an_exception(arguments: object) -> None:
    for tool in SCHEMAS:
        assert problems_of(tool, arguments), "none of these is a right call"
