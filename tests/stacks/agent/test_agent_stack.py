"""The agent's stack: what is made, and what the agent is told; from the synthesised templates."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context
from cdk_sglang.environments.settings import Environment
from stacks.fleet import add_fleet
from tests.support.agents import NAME, VISITS, Synthesise, content
from tests.support.templates import of_type
from tools.check.metric_names import findings
from tools.check.metric_uses import uses


def test_it_is_a_stack_of_its_own_after_foundation_and_endpoint(root: Path, folder: Path) -> None:
    app = cdk.App(context=cdk_json_context(root / "cdk.json"))
    settings = Environment.model_validate(content(folder))
    env = cdk.Environment(account=settings.account, region=settings.region)
    add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)
    (stack,) = (child for child in app.node.children if isinstance(child, cdk.Stack) and child.stack_name == NAME)
    assert sorted(dependency.stack_name for dependency in stack.dependencies) == [
        "cdk-sglang-test-chat",
        "cdk-sglang-test-foundation",
    ]


def test_an_environment_without_an_agent_neither_has_nor_loads_one(root: Path) -> None:
    program = (
        "import sys, aws_cdk as cdk\n"
        "from cdk_sglang.environments.reading import cdk_json_context, load\n"
        "from stacks.fleet import add_fleet\n"
        "settings = load('dev')\n"
        "app = cdk.App(context=cdk_json_context())\n"
        "add_fleet(app, name='dev', settings=settings, source='dev', env=cdk.Environment(region='us-east-1'))\n"
        "print([child.node.id for child in app.node.children])\n"
        "print(sorted(name for name in sys.modules if 'agents' in name or 'agentcore' in name or name == 'stacks.agent'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    stacks, loaded = done.stdout.splitlines()
    assert "'Agent'" not in stacks
    assert loaded == "[]"


def test_mlflow_has_the_traces_that_the_collector_has_and_sends_it_none(
    plain: dict[str, Any], everything: dict[str, Any]
) -> None:
    found = []
    for template in (plain, everything):
        (runtime,) = of_type(template, "AWS::BedrockAgentCore::Runtime")
        variables = runtime["Properties"]["EnvironmentVariables"]
        found.append({name: value for name, value in variables.items() if name.startswith("MLFLOW_")})
    (app,) = {name for name, one in everything["Resources"].items() if one["Type"] == "AWS::SageMaker::MlflowApp"}
    assert found == [
        {},
        {"MLFLOW_TRACKING_URI": {"Fn::GetAtt": [app, "Arn"]}, "MLFLOW_ENABLE_OTLP_EXPORTER": "false"},
    ]


def test_the_outputs_say_where_everything_is(plain: dict[str, Any], everything: dict[str, Any]) -> None:
    usual = {"RuntimeArn", "RuntimeName", "GatewayUrl", "ReportsBucket", "PatientsTable"}
    assert set(plain["Outputs"]) == usual
    assert set(everything["Outputs"]) == usual | {"MemoryId"}
    assert plain["Outputs"]["RuntimeName"]["Value"] == "test_agent"


def test_the_zip_is_built_by_a_command_and_nothing_is_built_at_synth(
    synthesise: Synthesise, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    template = synthesise(content(folder), into=tmp_path / "out")[NAME]
    (runtime,) = of_type(template, "AWS::BedrockAgentCore::Runtime")
    code = runtime["Properties"]["AgentRuntimeArtifact"]["CodeConfiguration"]
    assert code["EntryPoint"] == ["opentelemetry-instrument", "main.py"]
    assert code["Runtime"] == "PYTHON_3_13"
    key = code["Code"]["S3"]["Prefix"]
    manifest = json.loads((tmp_path / "out" / "Agent.assets.json").read_text())
    asset = manifest["files"][key]
    command = asset["source"]["executable"]
    assert command[1:] == ["-m", "cdk_sglang.agents.package", str(folder), "--expect", key.removesuffix(".zip")]
    assert [place["objectKey"] for place in asset["destinations"].values()] == [key]


def test_two_synths_give_the_same_bytes(synthesise: Synthesise, folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        synthesise(content(folder), into=tmp_path / name)
    for file in ("Agent.template.json", "Agent.assets.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_schemas_in_the_template_are_those_that_the_function_checks(plain: dict[str, Any], root: Path) -> None:
    path = root / "constructs" / "cdk_sglang" / "_runtime" / "clinical" / "tools.json"
    schemas = {tool["name"]: tool["inputSchema"] for tool in json.loads(path.read_text())["tools"]}
    (target,) = of_type(plain, "AWS::BedrockAgentCore::GatewayTarget")
    payload = target["Properties"]["TargetConfiguration"]["Mcp"]["Lambda"]["ToolSchema"]["InlinePayload"]
    assert {tool["Name"] for tool in payload} == set(schemas)
    for tool in payload:
        schema = schemas[tool["Name"]]
        assert set(tool["InputSchema"]["Properties"]) == set(schema["properties"])
        assert tool["InputSchema"]["Required"] == schema["required"]
        for name, field in tool["InputSchema"]["Properties"].items():
            assert field["Type"] == schema["properties"][name]["type"]


def test_the_agent_is_told_its_place(plain: dict[str, Any], everything: dict[str, Any]) -> None:
    (runtime,) = of_type(plain, "AWS::BedrockAgentCore::Runtime")
    variables = runtime["Properties"]["EnvironmentVariables"]
    assert {name: value for name, value in variables.items() if isinstance(value, str)} == {
        "CDK_SGLANG_ENDPOINT": "test-chat",
        "CDK_SGLANG_COMPONENT": "test-chat-llama",
        "CDK_SGLANG_MODEL_API": "sagemaker",
        "CDK_SGLANG_ENVIRONMENT": "test",
        "CDK_SGLANG_MAX_TOOL_CALLS": "8",
        "CDK_SGLANG_TOKEN_BUDGET": "20000",
        "CDK_SGLANG_WAKE_SECONDS": "900",
        "AGENT_OBSERVABILITY_ENABLED": "true",
        "OTEL_PYTHON_DISTRO": "aws_distro",
        "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
        "OTEL_PYTHON_STARLETTE_EXCLUDED_URLS": "ping",
        "AWS_REDACT_SPAN_ATTRIBUTES": "gen_ai.tool.call.*,gen_ai.input.*,gen_ai.output.*,content,message,tool.result",
    }
    (runtime,) = of_type(everything, "AWS::BedrockAgentCore::Runtime")
    more = runtime["Properties"]["EnvironmentVariables"]
    assert set(more) - set(variables) == {
        "CDK_SGLANG_MEMORY_ID",
        "CDK_SGLANG_ADAPTER",
        "CDK_SGLANG_PROMPT_VERSION",
        "CDK_SGLANG_ANSWER_TOKENS",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_ENABLE_OTLP_EXPORTER",
    }
    assert more["CDK_SGLANG_COMPONENT"] == "test-chat-llama-triage"
    assert more["CDK_SGLANG_ANSWER_TOKENS"] == "512"
    assert more["MLFLOW_ENABLE_OTLP_EXPORTER"] == "false"  # ADOT exports every span already


def test_redaction_can_be_switched_off(synthesise: Synthesise, folder: Path) -> None:
    (runtime,) = of_type(synthesise(content(folder, redact=False))[NAME], "AWS::BedrockAgentCore::Runtime")
    assert runtime["Properties"]["EnvironmentVariables"]["AWS_REDACT_SPAN_ATTRIBUTES"] == "none", "unset means redacted"


def test_the_agent_hears_who_the_user_is_from_one_header(synthesise: Synthesise, folder: Path) -> None:
    jwt = {"discovery_url": "https://login.example.com/.well-known/openid-configuration", "allowed_clients": ["web"]}
    for changes, header in (
        ({}, "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User"),
        ({"authorizer": {"jwt": jwt}}, "Authorization"),
    ):
        (runtime,) = of_type(synthesise(content(folder, **changes))[NAME], "AWS::BedrockAgentCore::Runtime")
        assert runtime["Properties"]["RequestHeaderConfiguration"] == {"RequestHeaderAllowlist": [header]}


def test_sessions_end_and_endpoints_are_pinned(everything: dict[str, Any]) -> None:
    (runtime,) = of_type(everything, "AWS::BedrockAgentCore::Runtime")
    assert runtime["Properties"]["LifecycleConfiguration"] == {"IdleRuntimeSessionTimeout": 300, "MaxLifetime": 3600}
    (endpoint,) = of_type(everything, "AWS::BedrockAgentCore::RuntimeEndpoint")
    assert (endpoint["Properties"]["Name"], endpoint["Properties"]["AgentRuntimeVersion"]) == ("stable", "3")


def test_in_a_vpc_it_joins_the_subnets_and_reaches_its_services(
    everything: dict[str, Any], synthesise: Synthesise, folder: Path
) -> None:
    (runtime,) = of_type(everything, "AWS::BedrockAgentCore::Runtime")
    network = runtime["Properties"]["NetworkConfiguration"]
    assert network["NetworkMode"] == "VPC"
    assert len(network["NetworkModeConfig"]["Subnets"]) == 2
    assert len(network["NetworkModeConfig"]["SecurityGroups"]) == 1
    services = {}
    for mode in ("public", "vpc"):
        foundation = synthesise(content(folder, network=mode) | {"network": {"vpc": "create"}})[
            "cdk-sglang-test-foundation"
        ]
        endpoints = of_type(foundation, "AWS::EC2::VPCEndpoint")
        services[mode] = {
            one["Properties"]["ServiceName"]
            for one in endpoints
            if one["Properties"].get("VpcEndpointType") == "Interface"
        }
    assert services["vpc"] - services["public"] == {
        "com.amazonaws.us-east-1.bedrock-agentcore.gateway",
        "com.amazonaws.us-east-1.bedrock-agentcore",
        "com.amazonaws.us-east-1.xray",
    }


def test_an_agent_without_tools_has_no_gateway(synthesise: Synthesise, folder: Path) -> None:
    template = synthesise(content(folder, tools={"reference": False}))[NAME]
    assert not of_type(template, "AWS::BedrockAgentCore::Gateway")
    assert not of_type(template, "AWS::DynamoDB::Table")
    assert set(template["Outputs"]) == {"RuntimeArn", "RuntimeName"}


def test_a_dashboard_shows_the_agent_its_tools_and_its_memory(
    plain: dict[str, Any], everything: dict[str, Any]
) -> None:
    (body,) = (json.dumps(one["Properties"]) for one in of_type(plain, "AWS::CloudWatch::Dashboard"))
    assert "test_agent::DEFAULT" in body
    assert "InvokeGateway" in body
    assert "CreateEvent" not in body
    assert "#dashboards:name=test-chat)" in body
    (whole,) = (json.dumps(one["Properties"]) for one in of_type(everything, "AWS::CloudWatch::Dashboard"))
    assert "test_agent::stable" in whole
    assert "CreateEvent" in whole
    for template in (plain, everything):
        assert list(uses(template))
        assert list(findings(template)) == []


def test_the_region_of_the_cli_is_held_to_agentcores_and_zones_are_told(root: Path, folder: Path) -> None:
    def app_in(region: str) -> cdk.App:
        app = cdk.App(context=cdk_json_context(root / "cdk.json"))
        source = content(folder, network="vpc", tools={"reference": False})
        settings = Environment.model_validate({**source, "region": None, "network": {"vpc": "create"}})
        env = cdk.Environment(account=settings.account, region=region)
        add_fleet(app, name="test", settings=settings, source="t.yaml", env=env)
        return app

    (stack,) = (one for one in app_in("us-east-1").node.children if getattr(one, "stack_name", "") == NAME)
    notes = [str(entry.data) for entry in stack.node.metadata if entry.type == "aws:cdk:info"]
    assert [text for text in notes if "in us-east-1: use1-az1, use1-az2, use1-az4." in text]
    with pytest.raises(ConfigurationError) as error:
        app_in("me-central-1")
    assert [line for line in error.value.problems if "agent.enabled: AgentCore is not in Region me-central-1" in line]


def test_failed_turns_are_an_alarm_where_a_number_is_given(
    synthesise: Synthesise, folder: Path, plain: dict[str, Any]
) -> None:
    settings = content(folder, failed_turns_alarm=5, endpoints={"stable": 3}, tools={"reference": False})
    template = synthesise(settings)[NAME]
    alarms = [one["Properties"] for one in of_type(template, "AWS::CloudWatch::Alarm")]
    names = [next(pair["Value"] for pair in one["Dimensions"] if pair["Name"] == "Name") for one in alarms]
    assert sorted(names) == ["test_agent::DEFAULT", "test_agent::stable"]
    for alarm in alarms:
        assert (alarm["MetricName"], alarm["Threshold"], alarm["Period"]) == ("TotalErrors", 5, 900)
        assert alarm["TreatMissingData"] == "notBreaching"
        assert "alarmtopicarn" in alarm["AlarmActions"][0]["Ref"]
    assert list(findings(template)) == []
    ours = [one["Properties"] for one in of_type(plain, "AWS::CloudWatch::Alarm")]
    assert not [one for one in ours if one["MetricName"] == "TotalErrors"]


def test_without_dashboards_the_agent_has_none(synthesise: Synthesise, folder: Path) -> None:
    templates = synthesise({**content(folder), "observability": {"dashboards": False}})
    assert not [name for name, template in templates.items() if of_type(template, "AWS::CloudWatch::Dashboard")]


def test_the_fleets_dashboard_leads_to_the_agents(synthesise: Synthesise, folder: Path) -> None:
    with_agent = json.dumps(synthesise(content(folder))["cdk-sglang-test-dashboards"])
    without = json.dumps(synthesise(content(folder, enabled=False))["cdk-sglang-test-dashboards"])
    link = "[Agent](#dashboards:name=test_agent)"
    assert (with_agent.count(link), without.count(link)) == (1, 0)


def test_folders_and_files_that_are_not_there_are_problems_with_their_paths(
    synthesise: Synthesise, tmp_path: Path
) -> None:
    own = {"visits": {"function_arn": VISITS, "schema": str(tmp_path / "visits.json")}}
    with pytest.raises(ConfigurationError) as error:
        synthesise(content(tmp_path / "nowhere", tools={"own": own}))
    code, schema = error.value.problems
    assert (
        code
        == f"test.yaml: agent.code: {tmp_path / 'nowhere'} is not a folder; name one with main.py and requirements.lock"
    )
    assert schema.startswith(
        f"test.yaml: agent.tools.own.visits.schema.{tmp_path / 'visits.json'}: cannot be read as JSON: "
    )


def test_a_name_that_becomes_too_long_is_refused(root: Path, folder: Path) -> None:
    app = cdk.App(context=cdk_json_context(root / "cdk.json"))
    settings = Environment.model_validate(content(folder, memory={"enabled": True}))
    with pytest.raises(ConfigurationError) as error:
        add_fleet(app, name="a" * 40, settings=settings, source="t.yaml", env=cdk.Environment())
    assert any("the name of the memory would be" in problem and "by 5" in problem for problem in error.value.problems)


@pytest.mark.parametrize("extent", ["plain", "all"])
def test_its_template_passes_every_check(
    synthesise: Synthesise, folder: Path, extent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CDK_VALIDATION")
    (folder / "requirements-mlflow.lock").write_text("# --hash=sha256: more\n")
    more = {} if extent == "plain" else {
        "memory": {"enabled": True}, "policy": "log_only", "mlflow": True, "endpoints": {"stable": 1}, "model_api": "openai",
        "failed_turns_alarm": 3,
    }  # fmt: skip
    assert NAME in synthesise(content(folder, **more), checks=True, into=tmp_path / "out")
    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [str(lint), "--regions", "us-east-1", "--ignore-checks", "W3005", "--", str(tmp_path / "out" / "Agent.template.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
