"""What a role may do: an action that none of the role's policies allows is refused, as by IAM.

Every use of a role is checked: functions and agents with sessions, state machines in their tasks, EventBridge Scheduler when it
delivers, SageMaker when it reads and writes for an endpoint or a job, CodeBuild when it builds. Whoever has the credentials of the start
may do everything, and so may users. Resources are compared where a request names them: S3, SageMaker, Lambda (`targets`); for others a
statement about another resource is enough. Policies of buckets and keys count if they name the role; boundaries, session policies and
policies of other resources do not.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.exceptions import BucketAccessDeniedError
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.sts.models import AssumedRole, sts_backends
from moto.utilities.utils import get_partition

from localcloud.aws.door import policies, simulations
from localcloud.aws.hosting import access

_SESSION_SECONDS: Final = 12 * 3600
_UNRESTRICTED: Final = ("sts:GetCallerIdentity",)
"""No policy can deny this action (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html, read 2026-12)."""
_ACTIONS: Final = {"lambda:Invoke": "lambda:InvokeFunction", "lambda:InvokeAsync": "lambda:InvokeFunction"}
"""Actions whose names are not those of the operations: the Service Authorization Reference (read 2026-12)."""
_S3_ACTIONS: Final = {"s3:HeadBucket": "s3:ListBucket"}
_DELETE_VERSION: Final = "s3:DeleteObjectVersion"
"""Required in addition to s3:DeleteObject if a file is deleted by version: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
(read 2026-12)."""
_KEY_ACTIONS: Final = {
    "s3:GetObject": "kms:Decrypt",
    "s3:GetObjectVersion": "kms:Decrypt",
    "s3:PutObject": "kms:GenerateDataKey",
}
"""Permission on the key that S3 also requires of the caller: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html (read 2026-12)."""


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
            role_session_name=f"session-{uuid.uuid4().hex[:8]}",
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
    if session is None:
        return None
    return _denial(session.role_arn, session.arn, action, resource)


def denial_of_role(role_arn: str, action: str, resource: str = "") -> str | None:
    """Return IAM's message if a role that a service has assumed may not perform an action, None if it may.

    Args:
        role_arn: ARN of the role; one that does not exist may do everything.
        action: Prefix of the service and name of the operation.
        resource: ARN of the resource. Default: any of the role's resources is enough.
    """
    account, _, path = role_arn.partition("::")[2].partition(":")
    caller = f"arn:aws:sts::{account}:assumed-role/{path.rpartition('/')[2]}/service"
    return _denial(role_arn, caller, action, resource)


def allows(role_arn: str, action: str, resource: str = "") -> bool:
    """Return whether a role may perform an action; a role that does not exist here may perform every action.

    Args:
        role_arn: ARN of the role.
        action: Prefix of the service and name of the action as IAM has it, such as "sqs:SendMessage".
        resource: ARN of the resource. Default: any of the role's resources is enough.
    """
    return _denial(role_arn, "", action, resource) is None


def _account(role_arn: str) -> str:
    """Return the account of a role: the fifth field of its ARN."""
    account = role_arn.partition("::")[2].partition(":")[0]
    return account or DEFAULT_ACCOUNT_ID


def _denial(role_arn: str, caller: str, action: str, resource: str) -> str | None:
    action = _ACTIONS.get(action, action)
    if action in _UNRESTRICTED:
        return None
    try:
        documents = simulations.documents(iam_backends[_account(role_arn)][get_partition("")], role_arn)
    except NotFoundException:
        return None  # a role that does not exist: a test names it, or it was deleted
    if policies.allow([*documents, {"Statement": list(_by_resource(role_arn, action, resource))}], action, resource):
        return None
    return (
        f"User: {caller} is not authorized to perform: {action}{f' on resource: {resource}' if resource else ''} "
        f"because no identity-based policy allows the {action} action"
    )


def _session(access_key_id: str) -> AssumedRole | None:
    for _, _, backend in list(sts_backends.iter_backends()):
        found = backend.get_assumed_role_from_access_key(access_key_id)
        if found is not None:
            return found
    return None


def _by_resource(role_arn: str, action: str, resource: str) -> Iterator[Mapping[str, Any]]:
    """Statements with which the policy of a bucket or a key names a role of the same account."""
    policy: Any = None
    if action.startswith("s3:"):
        name = resource.rpartition(":")[2].partition("/")[0]
        policy = getattr(s3_backends[_account(role_arn)][get_partition("")].buckets.get(name), "policy", None)
    elif action.startswith("kms:") and resource:
        key = kms_backends[_account(role_arn)][resource.split(":")[3]].keys.get(resource.rpartition("/")[2])
        policy = getattr(key, "policy", None)
    for statement in policies.listed(json.loads(policy)["Statement"]) if policy else ():
        if role_arn in json.dumps(statement.get("Principal", "")):
            # "*" in the policy of a key is the key
            yield statement | ({"Resource": resource} if statement.get("Resource") == "*" else {})


class _DeniedError(BucketAccessDeniedError):
    def __init__(self, bucket: str, message: str) -> None:
        super().__init__(bucket)
        self.message = message


def _authorize_s3(self: S3Response, bucket_name: str | None = None, key_name: str | None = None) -> None:
    action = f"s3:{self.data['Action']}"
    action = _S3_ACTIONS.get(action, action)
    place = f"{bucket_name}/{key_name}" if key_name else bucket_name or "*"
    if action == "s3:DeleteObject" and not key_name:
        place = f"{bucket_name}/*"  # several at once: the files are in the body
    message = denial(self.get_access_key(), action, f"arn:aws:s3:::{place}")
    if message is None and action == "s3:DeleteObject" and not key_name and b"<VersionId>" in self.body:
        message = denial(self.get_access_key(), _DELETE_VERSION, f"arn:aws:s3:::{place}")
    if message is None and key_name and self.method != "HEAD" and action in _KEY_ACTIONS:
        key = access.key_of(bucket_name or "", self.region)
        message = denial(self.get_access_key(), _KEY_ACTIONS[action], key) if key else None
    if message is not None:
        raise _DeniedError(bucket_name or "", message)


def install() -> None:
    """Let S3 and SageMaker's hosting ask for permissions; `refusals` does this for every other service."""
    S3Response._authenticate_and_authorize_s3_action = _authorize_s3
    access.use_judge(denial_of_role)
