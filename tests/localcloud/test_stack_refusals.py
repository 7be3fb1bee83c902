"""What CloudFormation refuses to do with a stack: exports that others import, statuses that allow no update, protected and stuck stacks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.helpers import SESSION


def topic(name: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}


def exporting(name: Any = "one", *, export: str | None = "shared") -> dict[str, Any]:
    output = {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}} | ({"Export": {"Name": export}} if export else {})
    return {"Resources": {"Topic": topic(name)}, "Outputs": {"Name": output}}


def importing(value: Any) -> dict[str, Any]:
    parameter = {"Name": "/imported", "Type": "String", "Value": value}
    return {
        "Parameters": {"Export": {"Type": "String", "Default": "shared"}},
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
        "Resources": {"Value": {"Type": "AWS::SSM::Parameter", "Properties": parameter}},
    }


IMPORT = {"Fn::ImportValue": {"Ref": "Export"}}


class Stacks:
    def __init__(self) -> None:
        self.api = SESSION.client("cloudformation")

    def create(self, name: str, template: dict[str, Any], **more: Any) -> None:
        self.api.create_stack(StackName=name, TemplateBody=json.dumps(template), **more)

    def update(self, name: str, template: dict[str, Any], **more: Any) -> None:
        self.api.update_stack(StackName=name, TemplateBody=json.dumps(template), **more)

    def change_set(self, kind: str, stack: str, template: dict[str, Any], *, name: str = "c", **more: Any) -> str:
        change_set = self.api.create_change_set(
            StackName=stack, ChangeSetName=name, ChangeSetType=kind, TemplateBody=json.dumps(template), **more
        )
        return str(change_set["StackId"])

    def status(self, name: str) -> tuple[str, str]:
        (stack,) = self.api.describe_stacks(StackName=name)["Stacks"]
        return stack["StackStatus"], stack.get("StackStatusReason", "")

    def names(self) -> list[str]:
        return [stack["StackName"] for stack in self.api.describe_stacks()["Stacks"]]

    def refusal(self, operation: str, **parameters: Any) -> str:
        with pytest.raises(ClientError) as error:
            getattr(self.api, operation)(**parameters)
        refused = error.value.response["Error"]
        return f"{refused['Code']}: {refused['Message']}"


@pytest.fixture
def stacks(driven: Any) -> Stacks:
    del driven
    return Stacks()


# --- exports --------------------------------------------------------------------------------------------------------


def test_a_stack_whose_export_others_import_is_not_deleted_until_nobody_does(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    for name in ("b", "c"):
        template = importing(IMPORT)
        template["Resources"]["Value"]["Properties"]["Name"] = f"/{name}"
        stacks.create(name, template)
    assert stacks.api.list_imports(ExportName="shared")["Imports"] == ["b", "c"]

    stacks.api.delete_stack(StackName="a")
    reason = "Delete canceled. Cannot delete export shared as it is in use by b and c."
    assert stacks.status("a") == ("CREATE_COMPLETE", reason)
    events = stacks.api.describe_stack_events(StackName="a")["StackEvents"]
    assert [event["ResourceStatus"] for event in events[:2]] == ["CREATE_COMPLETE", "DELETE_IN_PROGRESS"]
    assert len(SESSION.client("sns").list_topics()["Topics"]) == 1

    for name in ("b", "c", "a"):
        stacks.api.delete_stack(StackName=name)
    assert stacks.names() == []


def test_an_export_in_use_can_be_neither_changed_nor_removed_by_an_update(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    stacks.create("b", importing(IMPORT))

    stacks.update("a", exporting("two"))
    assert stacks.status("a") == ("UPDATE_ROLLBACK_COMPLETE", "Cannot update export shared as it is in use by b.")
    stacks.update("a", exporting(export=None))
    assert stacks.status("a") == ("UPDATE_ROLLBACK_COMPLETE", "Cannot delete export shared as it is in use by b.")
    (export,) = stacks.api.list_exports()["Exports"]
    assert (export["Name"], export["Value"]) == ("shared", "one")

    stacks.update("b", importing("one"))
    stacks.update("a", exporting("two", export=None))
    assert stacks.status("a")[0] == "UPDATE_COMPLETE"
    assert stacks.api.list_exports()["Exports"] == []


@pytest.mark.parametrize(
    "value", [{"Fn::Sub": "${Export}"}, {"Fn::If": ["Never", {"Fn::ImportValue": "shared"}, "nothing"]}]
)
def test_a_name_or_a_branch_that_is_not_taken_is_no_import(stacks: Stacks, value: dict[str, Any]) -> None:
    stacks.create("a", exporting())
    stacks.create("b", importing(value))
    refusal = stacks.refusal("list_imports", ExportName="shared")
    assert refusal == "ValidationError: Export 'shared' is not imported by any stack."
    stacks.api.delete_stack(StackName="a")
    assert stacks.names() == ["b"]


def test_an_output_imports_too(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    outputs = {"Out": {"Value": {"Fn::ImportValue": "shared"}}}
    stacks.create("b", {"Resources": {"Topic": topic("other")}, "Outputs": outputs})
    assert stacks.api.list_imports(ExportName="shared")["Imports"] == ["b"]


def test_two_stacks_cannot_export_one_name(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    stacks.create("b", exporting("two"))
    assert stacks.status("b") == ("ROLLBACK_COMPLETE", "Export with name shared is already exported by stack a.")
    assert len(SESSION.client("sns").list_topics()["Topics"]) == 1


def test_an_output_whose_condition_does_not_hold_is_not_exported(stacks: Stacks) -> None:
    template = exporting()
    template["Conditions"] = {"Never": {"Fn::Equals": ["a", "b"]}}
    for part in (template["Resources"]["Topic"], template["Outputs"]["Name"]):
        part["Condition"] = "Never"
    template["Resources"]["Always"] = topic("always")
    stacks.create("a", template)
    assert stacks.status("a")[0] == "CREATE_COMPLETE"
    assert stacks.api.list_exports()["Exports"] == []


# --- before a stack is created, and after that failed ---------------------------------------------------------------


def test_a_stack_in_review_is_not_updated_and_is_deleted_at_once(stacks: Stacks) -> None:
    arn = stacks.change_set("CREATE", "a", exporting())
    body, refused = (
        json.dumps(exporting()),
        f"ValidationError: Stack:{arn} is in REVIEW_IN_PROGRESS state and can not be updated.",
    )
    assert stacks.refusal("update_stack", StackName="a", TemplateBody=body) == refused
    update = {"StackName": "a", "ChangeSetName": "d", "ChangeSetType": "UPDATE", "TemplateBody": body}
    assert stacks.refusal("create_change_set", **update) == refused
    stacks.api.delete_stack(StackName="a")
    assert stacks.names() == []
    assert stacks.status(arn)[0] == "DELETE_COMPLETE"


def test_a_second_change_set_of_a_stack_in_review_belongs_to_the_same_stack(stacks: Stacks) -> None:
    arn = stacks.change_set("CREATE", "a", exporting())
    assert stacks.change_set("CREATE", "a", exporting("two"), name="d") == arn
    assert "AlreadyExistsException" in stacks.refusal(
        "create_change_set",
        StackName="a",
        ChangeSetName="d",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(exporting()),
    )
    listed = stacks.api.list_change_sets(StackName="a")["Summaries"]
    assert [one["ChangeSetName"] for one in listed] == ["c", "d"]
    stacks.api.execute_change_set(StackName="a", ChangeSetName="d")
    assert stacks.status(arn)[0] == "CREATE_COMPLETE"
    refusal = stacks.refusal("execute_change_set", StackName="a", ChangeSetName="c")
    assert refusal.startswith("InvalidChangeSetStatus: ")
    assert refusal.endswith("cannot be executed in its current execution status of [OBSOLETE]")


def test_a_stack_whose_creation_was_rolled_back_can_only_be_deleted(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    stacks.create("b", exporting("two"))
    body = json.dumps(exporting("three"))
    for operation, more in (
        ("update_stack", {}),
        ("create_change_set", {"ChangeSetName": "c", "ChangeSetType": "UPDATE"}),
    ):
        refusal = stacks.refusal(operation, StackName="b", TemplateBody=body, **more)
        assert refusal.endswith("is in ROLLBACK_COMPLETE state and can not be updated.")
    refusal = stacks.refusal("create_stack", StackName="b", TemplateBody=body)
    assert refusal == "AlreadyExistsException: Stack [b] already exists"
    refusal = stacks.refusal(
        "create_change_set", StackName="b", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=body
    )
    assert refusal == "ValidationError: Stack [b] already exists and cannot be created again with the changeSet [c]."
    stacks.api.delete_stack(StackName="b")
    assert stacks.names() == ["a"]


# --- change sets ----------------------------------------------------------------------------------------------------


def test_a_change_set_without_changes_fails_instead_of_being_refused(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    stacks.change_set("UPDATE", "a", exporting())
    found = stacks.api.describe_change_set(StackName="a", ChangeSetName="c")
    assert (found["Status"], found["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert found["StatusReason"].startswith("The submitted information didn't contain changes.")
    refusal = stacks.refusal("execute_change_set", StackName="a", ChangeSetName="c")
    assert refusal.endswith("cannot be executed in its current status of [FAILED]")

    stacks.change_set("UPDATE", "a", exporting(), name="tagged", Tags=[{"Key": "team", "Value": "search"}])
    assert stacks.api.describe_change_set(StackName="a", ChangeSetName="tagged")["Status"] == "CREATE_COMPLETE"


def test_a_value_that_parameter_store_has_changed_is_a_change(stacks: Stacks) -> None:
    ssm = SESSION.client("ssm")
    ssm.put_parameter(Name="/name", Type="String", Value="one")
    template = exporting({"Ref": "Name"}) | {
        "Parameters": {"Name": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/name"}}
    }
    stacks.create("a", template)
    stacks.change_set("UPDATE", "a", template)
    assert stacks.api.describe_change_set(StackName="a", ChangeSetName="c")["Status"] == "FAILED"
    ssm.put_parameter(Name="/name", Type="String", Value="two", Overwrite=True)
    stacks.change_set("UPDATE", "a", template)
    stacks.api.execute_change_set(StackName="a", ChangeSetName="c")
    assert stacks.status("a")[0] == "UPDATE_COMPLETE"
    assert stacks.api.list_exports()["Exports"][0]["Value"] == "two"


def test_change_sets_expire_with_an_update_and_those_of_no_stack_cannot_be_deleted(stacks: Stacks) -> None:
    stacks.create("a", exporting())
    stacks.change_set("UPDATE", "a", exporting("two"))
    stacks.update("a", exporting("three"))
    assert stacks.api.describe_change_set(StackName="a", ChangeSetName="c")["ExecutionStatus"] == "OBSOLETE"
    stacks.api.delete_change_set(StackName="a", ChangeSetName="c")
    stacks.api.delete_change_set(StackName="a", ChangeSetName="c")
    assert "ChangeSetNotFound" in stacks.refusal("describe_change_set", StackName="a", ChangeSetName="c")
    refusal = stacks.refusal("delete_change_set", StackName="none", ChangeSetName="c")
    assert refusal == "ValidationError: Stack [none] does not exist"


@pytest.mark.parametrize("kind", ["CREATE", "UPDATE"])
def test_a_change_set_whose_parameter_has_no_previous_value_is_refused_in_words(stacks: Stacks, kind: str) -> None:
    if kind == "UPDATE":
        stacks.create("a", exporting())
    refusal = stacks.refusal(
        "create_change_set",
        StackName="a",
        ChangeSetName="c",
        ChangeSetType=kind,
        TemplateBody=json.dumps(importing("x")),
        Parameters=[{"ParameterKey": "Export", "UsePreviousValue": True}],
    )
    assert "Cannot specify usePreviousValue as true" in refusal


# --- creations and deletions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        ({"Type": "String"}, "Parameters: [Export] must have values"),
        ({"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]}, "must be one of AllowedValues"),
    ],
)
def test_a_creation_without_a_value_or_with_a_wrong_one_is_refused(
    stacks: Stacks, slot: dict[str, Any], message: str
) -> None:
    template = importing("x")
    template["Parameters"]["Export"] = slot
    parameters = [{"ParameterKey": "Export", "ParameterValue": "c"}] if "Default" in slot else []
    refusal = stacks.refusal("create_stack", StackName="a", TemplateBody=json.dumps(template), Parameters=parameters)
    assert message in refusal
    assert stacks.names() == []


def test_a_protected_stack_is_not_deleted_until_its_protection_ends(stacks: Stacks) -> None:
    stacks.create("a", exporting(), EnableTerminationProtection=True)
    refusal = stacks.refusal("delete_stack", StackName="a")
    assert refusal == "ValidationError: Stack [a] cannot be deleted while TerminationProtection is enabled"
    assert stacks.status("a")[0] == "CREATE_COMPLETE"
    stacks.api.update_termination_protection(StackName="a", EnableTerminationProtection=False)
    assert not stacks.api.describe_stacks(StackName="a")["Stacks"][0]["EnableTerminationProtection"]
    stacks.api.delete_stack(StackName="a")
    assert stacks.names() == []


@pytest.mark.parametrize("how", [{"RetainResources": ["Bucket"]}, {"DeletionMode": "FORCE_DELETE_STACK"}])
def test_what_cannot_be_removed_is_retained_once_a_deletion_has_failed(stacks: Stacks, how: dict[str, Any]) -> None:
    s3 = SESSION.client("s3")
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "kept"}}
    stacks.create("a", {"Resources": {"Bucket": bucket, "Topic": topic("one")}})
    s3.put_object(Bucket="kept", Key="weights", Body=b"")
    assert "only when the stack is in the DELETE_FAILED state" in stacks.refusal("delete_stack", StackName="a", **how)
    stacks.api.delete_stack(StackName="a")
    assert stacks.status("a")[0] == "DELETE_FAILED"
    body = json.dumps({"Resources": {"Topic": topic("two")}})
    assert "DELETE_FAILED state and can not be updated" in stacks.refusal(
        "update_stack", StackName="a", TemplateBody=body
    )
    stacks.api.delete_stack(StackName="a", **how)
    assert stacks.names() == []
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["kept"]
