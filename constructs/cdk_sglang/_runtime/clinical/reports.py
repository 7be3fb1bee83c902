"""Save a report once, under a key that the server generates, and never overwrite it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from .refused import ToolRefusedError

_TYPES: Final = {
    "markdown": ("md", "text/markdown; charset=utf-8"),
    "json": ("json", "application/json"),
    "fhir": ("fhir.json", "application/fhir+json"),
}
"""Extension and content type by format; for the FHIR type see https://hl7.org/fhir/R4/http.html (read 2026-11)."""
_STATUSES: Final = (
    "registered",
    "partial",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "appended",
    "cancelled",
    "entered-in-error",
    "unknown",
)
"""States of a DiagnosticReport (https://hl7.org/fhir/R4/valueset-diagnostic-report-status.html, read 2026-11)."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CHANGED: Final = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where reports are stored.

    Attributes:
        bucket: Name of the bucket.
        prefix: Prefix of every key, ending in a slash.
        key_arn: Key that encrypts them.
    """

    bucket: str
    prefix: str
    key_arn: str


def save(s3: Any, place: Place, *, patient_id: str, form: str, content: str, idempotency_key: str) -> dict[str, Any]:
    """Save a report and return its id.

    Args:
        s3: Client of S3.
        place: Where reports are stored.
        patient_id: The patient, who is known to exist.
        form: markdown, json or fhir.
        content: The report.
        idempotency_key: The caller's key of this report.

    Raises:
        ToolRefusedError: The content does not fit its format, is about another patient, or differs from what was saved under the key.
    """
    body = _body(form, content, patient_id)
    report_id = _digest(f"{patient_id}/{idempotency_key}")[:20]
    extension, content_type = _TYPES[form]
    key = f"{place.prefix}{_digest(patient_id)[:16]}/{report_id}.{extension}"
    request = {"Bucket": place.bucket, "Key": key}
    digest = hashlib.sha256(body).hexdigest()
    try:
        saved = s3.put_object(
            **request,
            Body=body,
            ContentType=content_type,
            IfNoneMatch="*",
            Metadata={"sha256": digest},
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=place.key_arn,
        )
        version = saved.get("VersionId")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _CHANGED:
            raise
        before = s3.head_object(**request)
        if before.get("Metadata", {}).get("sha256") != digest:
            raise ToolRefusedError(
                "already-saved", "another report was saved under this idempotency_key; use a new key for a new report"
            ) from None
        version = before.get("VersionId")
    return {"report_id": report_id, "version_id": version, "format": form}


def _body(form: str, content: str, patient_id: str) -> bytes:
    if _CONTROL.search(content):
        raise ToolRefusedError("bad-content", "content: has control characters; send plain text")
    if form != "markdown":
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            raise ToolRefusedError("bad-content", f"content: is not JSON, which format {form} needs") from None
        if not isinstance(value, dict):
            raise ToolRefusedError("bad-content", "content: a JSON object is expected")
        if form == "fhir":
            _check_fhir(value, patient_id)
    elif not content.strip():
        raise ToolRefusedError("bad-content", "content: is empty")
    return content.encode()


def _check_fhir(report: dict[str, Any], patient_id: str) -> None:
    """Check what FHIR R4 requires of a DiagnosticReport, and that it is about the right patient.

    Source: https://hl7.org/fhir/R4/diagnosticreport.html (read 2026-11): status and code are required.
    """
    if report.get("resourceType") != "DiagnosticReport":
        raise ToolRefusedError("bad-content", "content: resourceType must be DiagnosticReport")
    if report.get("status") not in _STATUSES:
        raise ToolRefusedError("bad-content", f"content: status must be one of {', '.join(_STATUSES)}")
    code = report.get("code")
    if not isinstance(code, dict) or not (code.get("text") or code.get("coding")):
        raise ToolRefusedError("bad-content", "content: code needs text or coding")
    subject = report.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if reference != f"Patient/{patient_id}":
        raise ToolRefusedError("other-patient", "content: subject.reference must be Patient/ and the patient_id")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
