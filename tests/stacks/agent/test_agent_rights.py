"""What the agent's stack may do, who may use it, and what becomes of its data; from the synthesised templates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.agents import NAME, VISITS, Synthesise, content
from tests.support.pipelines import flat
from tests.support.templates import inline_statements, of_type, statements_of, trust_statements


def agents_own(template: dict[str, Any]) -> dict[str, Any]:
    """Leave out the function that empties buckets, which any stack has whose data go with it (tests/stacks/test_account.py)."""
    resources = {name: one for name, one in template["Resources"].items() if not name.startswith("CdkSglangEmptying")}
    return {**template, "Resources": resources}


def test_every_trust_statement_names_this_account(plain: dict[str, Any], everything: dict[str, Any]) -> None:
    for template in (plain, agents_own(everything)):
        statements = list(trust_statements(template))
        assert statements
        for statement in statements:
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "111122223333"}, statement


def test_agentcore_is_trusted_for_its_own_runtime_and_gateway_alone(plain: dict[str, Any]) -> None:
    sources = sorted(
        statement["Condition"]["ArnLike"]["aws:SourceArn"]
        for statement in trust_statements(plain)
        if statement["Principal"]["Service"] == "bedrock-agentcore.amazonaws.com"
    )
    assert sources == [
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:gateway/test-tools-*",
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/test_agent-*",
    ]


def starred(template: dict[str, Any]) -> Iterator[str]:
    for statement in statements_of(template):
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        if "*" in resources:
            actions = statement["Action"]
            yield from [actions] if isinstance(actions, str) else actions


def test_only_actions_without_resource_types_are_allowed_on_everything(
    plain: dict[str, Any], everything: dict[str, Any]
) -> None:
    usual = {
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
        "cloudwatch:PutMetricData",
    }
    assert set(starred(plain)) == usual
    assert set(starred(everything)) == usual | {"sagemaker:CallWithBearerToken"}


def test_metrics_are_limited_to_one_namespace(plain: dict[str, Any]) -> None:
    (metrics,) = [one for one in statements_of(plain) if one["Action"] == "cloudwatch:PutMetricData"]
    assert metrics["Condition"] == {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}


def model_of(template: dict[str, Any]) -> list[str]:
    (statement,) = [one for one in statements_of(template) if one.get("Sid") == "Model"]
    assert statement["Action"] == ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"]
    resources: list[str] = statement["Resource"]
    return resources


def test_the_agent_may_ask_its_component_and_no_other(plain: dict[str, Any], everything: dict[str, Any]) -> None:
    here = "arn:aws:sagemaker:us-east-1:111122223333"
    assert model_of(plain) == [f"{here}:endpoint/test-chat", f"{here}:inference-component/test-chat-llama"]
    assert model_of(everything) == [f"{here}:endpoint/test-chat", f"{here}:inference-component/test-chat-llama-triage"]


def test_every_right_of_the_agent_is_named(plain: dict[str, Any], everything: dict[str, Any]) -> None:
    assert set(inline_statements(plain, "AgentRole")) == {
        *("ReadCode", "Model", "Tools", "LogGroups", "Logs", "FindLogGroups", "Traces", "Metrics"),
    }
    assert set(inline_statements(everything, "AgentRole")) == {
        *("ReadCode", "Model", "BearerToken", "Tools", "Memory", "MemoryKey", "Mlflow"),
        *("LogGroups", "Logs", "FindLogGroups", "Traces", "Metrics"),
    }


def test_the_agent_reads_its_own_zip_and_not_the_bucket_of_assets(plain: dict[str, Any]) -> None:
    (runtime,) = of_type(plain, "AWS::BedrockAgentCore::Runtime")
    place = runtime["Properties"]["AgentRuntimeArtifact"]["CodeConfiguration"]["Code"]["S3"]
    assert (
        inline_statements(plain, "AgentRole")["ReadCode"]["Resource"]
        == f"arn:aws:s3:::{place['Bucket']}/{place['Prefix']}"
    )


def test_policies_of_agentcores_roles_are_whole_when_the_role_is_made(everything: dict[str, Any]) -> None:
    assert of_type(agents_own(everything), "AWS::IAM::Policy") == []


def test_the_gateway_takes_aws_credentials_and_says_its_version(
    plain: dict[str, Any], everything: dict[str, Any]
) -> None:
    for template in (plain, everything):
        (gateway,) = of_type(template, "AWS::BedrockAgentCore::Gateway")
        assert gateway["Properties"]["AuthorizerType"] == "AWS_IAM"
        assert gateway["Properties"]["ProtocolConfiguration"]["Mcp"]["SupportedVersions"] == ["2025-06-18"]
        assert not of_type(template, "AWS::Cognito::UserPool")


def test_a_target_waits_for_the_permission_to_invoke_its_function(everything: dict[str, Any]) -> None:
    permissions = {
        name: one["Properties"]
        for name, one in everything["Resources"].items()
        if one["Type"] == "AWS::Lambda::Permission"
    }
    targets = of_type(everything, "AWS::BedrockAgentCore::GatewayTarget")
    assert sorted(target["Properties"]["Name"] for target in targets) == ["clinical", "visits"]
    for target in targets:
        function = target["Properties"]["TargetConfiguration"]["Mcp"]["Lambda"]["LambdaArn"]
        (name,) = [name for name in target["DependsOn"] if name in permissions]
        assert permissions[name]["FunctionName"] == function
        assert permissions[name]["Principal"]["Fn::GetAtt"][0].startswith("ToolsRole")
        assert any(other.startswith("ToolsRole") for other in target["DependsOn"])


def test_the_gateway_invokes_its_functions_and_no_other(everything: dict[str, Any]) -> None:
    allowed = inline_statements(everything, "ToolsRole")
    assert allowed["InvokeTools"]["Action"] == "lambda:InvokeFunction"
    first, second = allowed["InvokeTools"]["Resource"]
    assert first == VISITS
    assert second["Fn::GetAtt"][0].startswith("ClinicalFunction")
    assert set(allowed) == {"InvokeTools", "Evaluate"}


def test_every_tool_has_a_policy_of_its_own_that_permits_the_agent_alone_and_waits_for_its_target(
    everything: dict[str, Any],
) -> None:
    (gateway,) = of_type(everything, "AWS::BedrockAgentCore::Gateway")
    assert gateway["Properties"]["PolicyEngineConfiguration"]["Mode"] == "ENFORCE"
    policies = of_type(everything, "AWS::BedrockAgentCore::Policy")
    (role,) = {
        one["Properties"]["RoleArn"]["Fn::GetAtt"][0] for one in of_type(everything, "AWS::BedrockAgentCore::Runtime")
    }
    statements = sorted(flat(one["Properties"]["Definition"]["Cedar"]["Statement"]) for one in policies)
    (gateway_id,) = {
        name for name, one in everything["Resources"].items() if one["Type"] == "AWS::BedrockAgentCore::Gateway"
    }
    assert statements == [
        f'permit(principal == AgentCore::IamEntity::"arn:aws:sts::111122223333:assumed-role/<{role}>", '
        f'action == AgentCore::Action::"{tool}", resource == AgentCore::Gateway::"<{gateway_id}.GatewayArn>");'
        for tool in ("clinical___patient_search", "clinical___save_medical_report", "visits___book-visit")
    ]
    for policy in policies:
        assert any("GatewayTarget" in name for name in policy["DependsOn"])
        assert policy["Properties"]["ValidationMode"] == "FAIL_ON_ANY_FINDINGS"


def test_without_policies_there_is_no_engine(plain: dict[str, Any]) -> None:
    assert not of_type(plain, "AWS::BedrockAgentCore::PolicyEngine")
    (gateway,) = of_type(plain, "AWS::BedrockAgentCore::Gateway")
    assert "PolicyEngineConfiguration" not in gateway["Properties"]


def test_callers_with_tokens_are_those_of_the_provider(plain: dict[str, Any], everything: dict[str, Any]) -> None:
    (runtime,) = of_type(everything, "AWS::BedrockAgentCore::Runtime")
    assert runtime["Properties"]["AuthorizerConfiguration"] == {
        "CustomJWTAuthorizer": {
            "DiscoveryUrl": "https://id.example.com/.well-known/openid-configuration",
            "AllowedClients": ["app"],
            "AllowedAudience": ["agent"],
        }
    }
    (runtime,) = of_type(plain, "AWS::BedrockAgentCore::Runtime")
    assert "AuthorizerConfiguration" not in runtime["Properties"]  # AgentCore's default is IAM


KEPT = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::BedrockAgentCore::Memory"}


def policies_of(template: dict[str, Any]) -> set[str | None]:
    return {one.get("DeletionPolicy") for one in template["Resources"].values() if one["Type"] in KEPT}


def test_what_patients_left_outlives_the_stack_unless_told_otherwise(
    plain: dict[str, Any], everything: dict[str, Any]
) -> None:
    assert policies_of(plain) == {"Retain", "RetainExceptOnCreate"}
    assert policies_of(everything) == {"Delete"}


def test_patients_and_reports_are_encrypted_with_the_environments_key(everything: dict[str, Any]) -> None:
    (table,) = of_type(everything, "AWS::DynamoDB::Table")
    assert table["Properties"]["SSESpecification"]["SSEType"] == "KMS"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["GlobalSecondaryIndexes"][0]["IndexName"] == "by_name"
    reports = next(one for name, one in everything["Resources"].items() if name.startswith("ClinicalReports"))
    (rule,) = reports["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert reports["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    (memory,) = of_type(everything, "AWS::BedrockAgentCore::Memory")
    assert memory["Properties"]["EventExpiryDuration"] == 30
    assert "EncryptionKeyArn" in memory["Properties"]
    assert "MemoryStrategies" not in memory["Properties"]
    assert "MemoryExecutionRoleArn" not in memory["Properties"]


def test_a_report_is_written_once_whoever_writes_it(plain: dict[str, Any]) -> None:
    name = next(name for name in plain["Resources"] if name.startswith("ClinicalReportsPolicy"))
    statements = plain["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
    (once,) = [one for one in statements if one.get("Sid") == "WriteOnce"]
    assert (once["Effect"], once["Action"], once["Principal"]) == ("Deny", "s3:PutObject", {"AWS": "*"})
    assert once["Condition"] == {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}


def test_the_tools_may_find_patients_and_save_reports_and_nothing_else(plain: dict[str, Any]) -> None:
    (role,) = (
        one["Properties"]
        for name, one in plain["Resources"].items()
        if one["Type"] == "AWS::IAM::Role" and name.startswith("ClinicalFunctionRole")
    )
    (policy,) = role["Policies"]
    actions = {
        action
        for one in policy["PolicyDocument"]["Statement"]
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert actions == {
        *("dynamodb:GetItem", "dynamodb:Query", "s3:PutObject", "s3:GetObject", "kms:Decrypt", "kms:GenerateDataKey"),
        *("logs:CreateLogStream", "logs:PutLogEvents"),
    }


def test_a_container_is_pulled_by_its_digest_from_one_repository(synthesise: Synthesise, folder: Path) -> None:
    digest = f"sha256:{'a' * 64}"
    settings = content(folder, container={"repository": "agents/intake", "digest": digest})
    del settings["agent"]["code"]
    template = synthesise(settings)[NAME]
    (runtime,) = of_type(template, "AWS::BedrockAgentCore::Runtime")
    artifact = runtime["Properties"]["AgentRuntimeArtifact"]["ContainerConfiguration"]["ContainerUri"]
    assert digest in json.dumps(artifact)
    rights = inline_statements(template, "AgentRole")
    assert rights["PullImage"]["Resource"] == "arn:aws:ecr:us-east-1:111122223333:repository/agents/intake"
    assert rights["LogInToRegistry"]["Action"] == "ecr:GetAuthorizationToken"
    assert "ReadCode" not in rights
