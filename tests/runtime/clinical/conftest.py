"""The tools of the clinical-intake agent, on moto's table and bucket."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cdk_sglang._runtime.clinical import handler, patients

Call = Callable[..., dict[str, Any]]

ANA = {
    "patient_id": "p-0123456789ab",
    "name": "Ana Silvestre",
    "birth_date": "1961-04-30",
    "sex": "female",
    "allergies": ["penicillin"],
    "insurance_number": "INS-77-4321",
    **patients.name_keys("Silvestre", "Ana Silvestre"),
}
BEA = {
    "patient_id": "p-0123456789ac",
    "name": "Bea Silvestre",
    "birth_date": "1990-01-02",
    **patients.name_keys("Silvestre", "Bea Silvestre"),
}


_CACHED = (handler._table, handler._s3, handler._place)
"""What the function keeps between calls; a test may put another one in their place."""


@pytest.fixture(scope="module")
def _account() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {
            "AWS_DEFAULT_REGION": "us-east-1",
            "PATIENTS_TABLE": "patients",
            "REPORTS_BUCKET": "reports",
            "KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/0",
        }.items():
            patch.setenv(name, value)
        boto3.resource("dynamodb").create_table(
            TableName="patients",
            KeySchema=[{"AttributeName": "patient_id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("patient_id", "name_prefix", "name_lower")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": patients.INDEX,
                    "KeySchema": [
                        {"AttributeName": "name_prefix", "KeyType": "HASH"},
                        {"AttributeName": "name_lower", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="reports")
        s3.put_bucket_versioning(Bucket="reports", VersioningConfiguration={"Status": "Enabled"})
        yield


@pytest.fixture
def bucket(_account: None) -> Iterator[str]:
    """A table with two patients, and an empty versioned bucket for reports."""
    for function in _CACHED:
        function.cache_clear()
    table = boto3.resource("dynamodb").Table("patients")
    for patient in (ANA, BEA):
        table.put_item(Item=patient)
    yield "reports"
    s3 = boto3.client("s3")
    for version in s3.list_object_versions(Bucket="reports").get("Versions", ()):
        s3.delete_object(Bucket="reports", Key=version["Key"], VersionId=version["VersionId"])


@pytest.fixture
def call(bucket: str) -> Call:
    """Call a tool as the gateway does."""

    def invoke(tool: str, **arguments: Any) -> dict[str, Any]:
        custom = {"bedrockAgentCoreToolName": f"clinical___{tool}"}
        context = types.SimpleNamespace(client_context=types.SimpleNamespace(custom=custom))
        return handler.handler(arguments, context)

    return invoke
