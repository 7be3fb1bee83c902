"""What outlives an operation of CloudFormation, in this process: deletion policies of a stack that is rolled back, updated and deleted."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws import settings
from localcloud.aws.hosting import logs
from tests.localcloud.helpers import SESSION

POLICIES = ("Delete", "Retain", "RetainExceptOnCreate")
Resources = dict[str, dict[str, Any]]


def groups(**changes: Any) -> Resources:
    """One log group for each policy, named after it."""
    return {
        policy: {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": policy,
            "UpdateReplacePolicy": "Delete" if policy == "Delete" else "Retain",
            "Properties": {"LogGroupName": f"/{policy}"} | changes,
        }
        for policy in POLICIES
    }


def failing(*after: str) -> Resources:
    """A component of an endpoint that is not there."""
    properties = {"EndpointName": "nowhere", "Specification": {}, "RuntimeConfig": {"CopyCount": 1}}
    return {"Bad": {"Type": "AWS::SageMaker::InferenceComponent", "DependsOn": list(after), "Properties": properties}}


class Stack:
    """A stack named S."""

    def __init__(self) -> None:
        self._cloudformation = SESSION.client("cloudformation")
        self._logs = SESSION.client("logs")

    def create(self, resources: Resources) -> str:
        self._cloudformation.create_stack(StackName="S", TemplateBody=json.dumps({"Resources": resources}))
        return self.status()

    def update(self, resources: Resources) -> str:
        self._cloudformation.update_stack(StackName="S", TemplateBody=json.dumps({"Resources": resources}))
        return self.status()

    def delete(self) -> None:
        self._cloudformation.delete_stack(StackName="S")

    def status(self) -> str:
        return str(self._cloudformation.describe_stacks(StackName="S")["Stacks"][0]["StackStatus"])

    def reason(self) -> str:
        return str(self._cloudformation.describe_stacks(StackName="S")["Stacks"][0]["StackStatusReason"])

    def kept(self) -> list[str]:
        return sorted(group["logGroupName"] for group in self._logs.describe_log_groups()["logGroups"])


@pytest.fixture
def stack(driven: Any) -> Stack:
    del driven
    return Stack()


def test_a_stack_whose_creation_fails_keeps_what_is_retained_but_not_what_is_retained_except_then(stack: Stack) -> None:
    assert stack.create(groups() | failing(*POLICIES)) == "ROLLBACK_COMPLETE"
    assert stack.kept() == ["/Retain"]
    stack.delete()
    assert (
        stack.create(groups()) == "ROLLBACK_COMPLETE"
    )  # what was retained is in the way, which is why the other policy exists
    stack.delete()
    fixed = {name: body for name, body in groups().items() if name != "Retain"}
    assert stack.create(fixed) == "CREATE_COMPLETE"


def test_an_update_that_is_rolled_back_takes_what_it_created_and_nothing_older(stack: Stack) -> None:
    assert stack.create({"Delete": groups()["Delete"]}) == "CREATE_COMPLETE"
    assert stack.update(groups() | failing(*POLICIES)) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.kept() == ["/Delete", "/Retain"]


def test_what_was_created_before_is_kept_by_a_roll_back_an_update_and_a_deletion(stack: Stack) -> None:
    del_free = {name: body for name, body in groups().items() if name != "Delete"}
    assert stack.create(groups()) == "CREATE_COMPLETE"
    assert stack.update(groups(RetentionInDays=7) | failing(*POLICIES)) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.kept() == ["/Delete", "/Retain", "/RetainExceptOnCreate"]
    assert stack.update({"Retain": del_free["Retain"]}) == "UPDATE_COMPLETE"
    assert stack.kept() == ["/Retain", "/RetainExceptOnCreate"]
    stack.delete()
    assert stack.kept() == ["/Retain", "/RetainExceptOnCreate"]


def test_what_is_replaced_goes_by_the_policy_of_replacements(stack: Stack) -> None:
    assert stack.create(groups()) == "CREATE_COMPLETE"
    other = {name: body | {"Properties": {"LogGroupName": f"/other/{name}"}} for name, body in groups().items()}
    other["Retain"] |= {"UpdateReplacePolicy": "Delete"}  # that of the template which is replaced counts
    assert stack.update(other) == "UPDATE_COMPLETE"
    assert stack.kept() == [*(f"/{n}" for n in ("Retain", "RetainExceptOnCreate")), *(f"/other/{n}" for n in POLICIES)]


def test_a_policy_that_alone_has_changed_counts(stack: Stack) -> None:
    assert stack.create({"Delete": groups()["Delete"]}) == "CREATE_COMPLETE"
    assert stack.update({"Delete": groups()["Delete"] | {"DeletionPolicy": "Retain"}}) == "UPDATE_COMPLETE"
    stack.delete()
    assert stack.kept() == ["/Delete"]


@pytest.mark.parametrize("left", ["object", "version", "delete marker"])
def test_a_bucket_that_is_not_empty_stays_with_its_stack(stack: Stack, left: str) -> None:
    properties = {"BucketName": "files", "VersioningConfiguration": {"Status": "Enabled"}}
    stack.create({"Files": {"Type": "AWS::S3::Bucket", "Properties": properties}})
    s3 = SESSION.client("s3")
    s3.put_object(Bucket="files", Key="a", Body=b"1")
    if left != "object":
        s3.delete_object(Bucket="files", Key="a")
    versions = s3.list_object_versions(Bucket="files")
    if left == "delete marker":
        s3.delete_object(Bucket="files", Key="a", VersionId=versions["Versions"][0]["VersionId"])
    stack.delete()
    assert stack.status() == "DELETE_FAILED"
    assert "not empty" in stack.reason()
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["files"]
    with pytest.raises(s3.exceptions.ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="files")
    for kind in ("Versions", "DeleteMarkers"):
        for one in s3.list_object_versions(Bucket="files").get(kind, []):
            s3.delete_object(Bucket="files", Key="a", VersionId=one["VersionId"])
    stack.delete()
    assert s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize(("empties", "status"), [(True, "DELETE_COMPLETE"), (False, "DELETE_FAILED")])
def test_a_repository_goes_with_its_images_where_it_may_be_emptied(stack: Stack, empties: bool, status: str) -> None:
    properties = {"RepositoryName": "images", "EmptyOnDelete": empties}
    assert stack.create({"Images": {"Type": "AWS::ECR::Repository", "Properties": properties}}) == "CREATE_COMPLETE"
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}
    SESSION.client("ecr").put_image(repositoryName="images", imageManifest=json.dumps(manifest), imageTag="v1")
    stack.delete()
    (summary,) = SESSION.client("cloudformation").list_stacks()["StackSummaries"]
    assert summary["StackStatus"] == status


def test_the_last_lines_of_a_copy_do_not_bring_back_a_log_group_that_went_with_its_stack(
    stack: Stack, tmp_path: Path
) -> None:
    settings.configure(state_dir=tmp_path)
    with logs.stream("123456789012", "us-east-1", "gone", "copy-1") as write:
        write("serving")
        assert stack.kept() == ["/aws/sagemaker/InferenceComponents/gone"]
        SESSION.client("logs").delete_log_group(logGroupName="/aws/sagemaker/InferenceComponents/gone")
        write("stopping")
    assert stack.kept() == []
    assert "stopping" in (tmp_path / "logs" / "gone" / "copy-1.log").read_text(encoding="utf-8")


def test_what_a_resource_depends_on_stays_with_it_and_both_go_when_it_can(stack: Stack) -> None:
    files = {"Type": "AWS::S3::Bucket", "DependsOn": "Needed", "Properties": {"BucketName": "files"}}
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/needed"}}
    other = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/other"}}
    deeper = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/deeper"}}
    stack.create({"Files": files, "Needed": group | {"DependsOn": ["Deeper"]}, "Deeper": deeper, "Other": other})
    s3 = SESSION.client("s3")
    s3.put_object(Bucket="files", Key="a", Body=b"1")
    stack.delete()
    assert stack.status() == "DELETE_FAILED"
    assert stack.kept() == ["/deeper", "/needed"]
    s3.delete_object(Bucket="files", Key="a")
    stack.delete()
    assert stack.kept() == []
