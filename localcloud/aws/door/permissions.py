"""What a role's sessions may do: an action that none of the role's policies allows is refused, as by IAM.

Only sessions of roles are judged, such as those of functions and agents: whoever has the credentials of the start may do everything, and so may
users. Resources are compared for S3; for other services a statement about another resource is enough. A condition of a statement
that allows is taken as met, one of a statement that denies as not met. Policies of buckets count if they name the role; boundaries, session
policies, policies of keys and of other resources do not.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.s3.exceptions import BucketAccessDeniedError
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.sts.models import AssumedRole, sts_backends
from moto.utilities.utils import get_partition

from localcloud.aws.door import simulations

_SESSION_SECONDS: Final = 12 * 3600
_UNRESTRICTED: Final = ("sts:GetCallerIdentity",)
"""No policy can deny it (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html, read 2026-12)."""
_ACTIONS: Final = {"lambda:Invoke": "lambda:InvokeFunction", "lambda:InvokeAsync": "lambda:InvokeFunction"}
"""Actions whose names are not those of the operations: the Service Authorization Reference (read 2026-12)."""
_S3_ACTIONS: Final = {"s3:HeadBucket": "s3:ListBucket"}


def session_of(role_arn: str, region: str) -> Mapping[str, str] | None:
    """Return the variables with the credentials of a role's session, None if there is no such role.

    Args:
        role_arn: ARN of the role.
        region: Region of the caller.
    """
    partition, account = get_partition(region), _account(role_arn)
    try:
        iam_backends[account][partition].get_role(role_arn.rpartition("/")[2])
    except NotFoundException:
        return None
    backend = sts_backends[account][partition]
    known: dict[str, AssumedRole] = backend.__dict__.setdefault("localcloud_sessions", {})
    if role_arn not in known:  # one for all invocations: keys do not expire here
        known[role_arn] = backend.assume_role(
            region_name=region,
            role_session_name=f"function-{uuid.uuid4().hex[:8]}",
            role_arn=role_arn,
            policy="",
            duration=_SESSION_SECONDS,
            external_id="",
        )
    session = known[role_arn]
    return {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
    }


def denial(access_key_id: str, action: str, resource: str = "") -> str | None:
    """Return IAM's message if an access key's role may not perform an action, None if it may.

    Args:
        access_key_id: Access key of the request.
        action: Prefix of the service and name of the operation, such as "sagemaker:DescribeEndpoint".
        resource: ARN of the resource. Default: any of the role's resources is enough.
    """
    session = _session(access_key_id)
    action = _ACTIONS.get(action, action)
    if session is None or action in _UNRESTRICTED:
        return None
    try:
        backend = iam_backends[session.account_id][get_partition(session.region_name)]
        documents = simulations.documents(backend, session.role_arn)
    except NotFoundException:
        return None  # a role that was only named, by a test or before its deletion
    if _allowed(documents, action, resource) or _by_bucket(session.role_arn, action, resource):
        return None
    return (
        f"User: {session.arn} is not authorized to perform: {action}{f' on resource: {resource}' if resource else ''} "
        f"because no identity-based policy allows the {action} action"
    )


def allows(role_arn: str, action: str, resource: str = "") -> bool:
    """Return whether a role that exists here may perform an action; one that does not may.

    Args:
        role_arn: ARN of the role.
        action: Prefix of the service and name of the action as IAM has it, such as "sqs:SendMessage".
        resource: ARN of the resource. Default: any of the role's resources is enough.
    """
    try:
        documents = simulations.documents(iam_backends[_account(role_arn)][get_partition("")], role_arn)
    except NotFoundException:
        return True
    return _allowed(documents, action, resource) or _by_bucket(role_arn, action, resource)


def _account(role_arn: str) -> str:
    fields = role_arn.split(":")
    return fields[4] if len(fields) > 4 and fields[4] else DEFAULT_ACCOUNT_ID  # noqa: PLR2004, the account's place in an ARN


def _session(access_key_id: str) -> AssumedRole | None:
    for _, _, backend in list(sts_backends.iter_backends()):
        found = backend.get_assumed_role_from_access_key(access_key_id)
        if found is not None:
            return found
    return None


def _allowed(documents: Iterable[Mapping[str, Any]], action: str, resource: str) -> bool:
    is_allowed = False
    for document in documents:
        for statement in _listed(document.get("Statement")):
            if not _matches(statement, action, resource):
                continue
            if statement["Effect"] == "Allow":
                is_allowed = True
            elif not statement.get("Condition") and (resource or "*" in _listed(statement.get("Resource"))):
                return False
    return is_allowed


def _matches(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if "NotAction" in statement:
        named = not any(_covers(one.lower(), action.lower()) for one in _listed(statement["NotAction"]))
    else:
        named = any(_covers(one.lower(), action.lower()) for one in _listed(statement.get("Action")))
    return named and (not resource or any(_covers(one, resource) for one in _listed(statement.get("Resource", "*"))))


def _by_bucket(role_arn: str, action: str, resource: str) -> bool:
    """Whether the policy of a bucket allows a role of the same account what its own policies do not."""
    if not action.startswith("s3:"):
        return False
    bucket = s3_backends[_account(role_arn)][get_partition("")].buckets.get(
        resource.rpartition(":")[2].partition("/")[0]
    )
    policy = getattr(bucket, "policy", None)
    statements = _listed(json.loads(policy)["Statement"]) if policy else []
    named = [one for one in statements if role_arn in json.dumps(one.get("Principal", ""))]
    return _allowed([{"Statement": named}], action, resource)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _covers(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


class _DeniedError(BucketAccessDeniedError):
    def __init__(self, bucket: str, message: str) -> None:
        super().__init__(bucket)
        self.message = message


def _authorize_s3(self: S3Response, bucket_name: str | None = None, key_name: str | None = None) -> None:
    action = f"s3:{self.data['Action']}"
    action = _S3_ACTIONS.get(action, action)
    place = f"{bucket_name}/{key_name}" if key_name else bucket_name or "*"
    if action == "s3:DeleteObject" and not key_name:
        place = f"{bucket_name}/*"  # many at once: the files are in the body
    message = denial(self.get_access_key(), action, f"arn:aws:s3:::{place}")
    if message is not None:
        raise _DeniedError(bucket_name or "", message)


def install() -> None:
    """Let S3 ask for the caller's permissions; `refusals` does for every other service."""
    S3Response._authenticate_and_authorize_s3_action = _authorize_s3
