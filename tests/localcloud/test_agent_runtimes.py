"""AgentCore runtimes: deployed by CloudFormation, invoked by boto3, a process for each session. The agent is a stand-in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud.aws import settings
from localcloud.aws.agents.store import stores
from localcloud.aws.clock import clock
from tests.localcloud.agents import PROGRAM, Stack, events, package, runtime
from tests.localcloud.helpers import eventually

pytestmark = pytest.mark.usefixtures("agents")

SESSION = "s" * 33
OTHER = "o" * 33
ARN = {"Fn::GetAtt": ["Agent", "AgentRuntimeArn"]}
OUTPUTS = {
    "Arn": ARN,
    "Id": {"Ref": "Agent"},
    "Version": {"Fn::GetAtt": ["Agent", "AgentRuntimeVersion"]},
    "Status": {"Fn::GetAtt": ["Agent", "Status"]},
}


@pytest.fixture
def stack(client: Callable[[str], Any]) -> Stack:
    s3 = client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="agent.zip", Body=package(main=PROGRAM, helper="NAME = 'own module'"))
    return Stack(client)


@pytest.fixture
def invoke(client: Callable[[str], Any]) -> Callable[..., Any]:
    core = client("bedrock-agentcore")

    def call(arn: str, payload: str = "{}", *, session: str = SESSION, **more: Any) -> dict[str, Any]:
        return dict(core.invoke_agent_runtime(agentRuntimeArn=arn, runtimeSessionId=session, payload=payload, **more))

    return call


def refused(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def _pipe(session: Any) -> IO[bytes]:
    pipe: IO[bytes] = session._process.stdin
    return pipe


class TestSessions:
    def test_a_session_is_a_process_that_remembers_and_another_session_is_another(
        self, stack: Stack, invoke: Any, cloud: Any
    ) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        answer = invoke(arn, '{"say": ["hello"]}', contentType="application/json", accept="text/event-stream")
        first, hello = events(answer)
        again = events(invoke(arn))[0]
        other = events(invoke(arn, session=OTHER))[0]

        assert (answer["runtimeSessionId"], answer["contentType"], answer["statusCode"]) == (
            SESSION,
            "text/event-stream",
            200,
        )
        assert hello == "hello"
        assert (first["who"], first["helper"], first["aws"]) == ("first", "own module", cloud.url)
        assert first["headers"]["x-amzn-bedrock-agentcore-runtime-session-id"] == SESSION
        assert (again["turns"], again["pid"]) == (2, first["pid"])
        assert (other["turns"], other["pid"] == first["pid"]) == (1, False)
        listening = [
            found.laddr.ip for found in psutil.Process(first["pid"]).net_connections() if found.status == "LISTEN"
        ]
        assert listening == ["127.0.0.1"]

    def test_events_arrive_while_the_agent_goes_on(self, stack: Stack, invoke: Any, tmp_path: Path) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        gate = tmp_path / "gate"
        lines = invoke(arn, f'{{"wait": "{gate}", "say": ["last"]}}')["response"].iter_lines(chunk_size=1)

        assert b'"turns": 1' in next(lines)
        gate.touch()
        assert b'data: "last"' in list(lines)

    def test_the_log_group_of_the_runtime_has_the_lines_of_the_agent(
        self, stack: Stack, invoke: Any, client: Any
    ) -> None:
        outputs = stack.deploy({"Agent": runtime()}, **OUTPUTS)
        events(invoke(outputs["Arn"], '{"say": ["hello"]}'))

        group = f"/aws/bedrock-agentcore/runtimes/{outputs['Id']}-DEFAULT"
        logs = client("logs")

        def logged() -> list[str]:
            if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
                return []
            return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]

        assert eventually(logged) == ["answered ['hello']"]

    def test_a_session_ends_when_it_is_idle_or_too_old_but_not_while_the_agent_is_busy(
        self, stack: Stack, invoke: Any
    ) -> None:
        limits = {"IdleRuntimeSessionTimeout": 60, "MaxLifetime": 600}
        arn = stack.deploy({"Agent": runtime(LifecycleConfiguration=limits)}, **OUTPUTS)["Arn"]
        idle = events(invoke(arn))[0]["pid"]
        busy = events(invoke(arn, '{"ping": "HealthyBusy"}', session=OTHER))[0]["pid"]

        clock().advance(70)
        eventually(lambda: not psutil.pid_exists(idle))
        assert psutil.pid_exists(busy)
        assert events(invoke(arn))[0]["turns"] == 1  # a new process: nothing is remembered
        clock().advance(600)
        eventually(lambda: not psutil.pid_exists(busy))

    def test_stopping_a_session_ends_its_process_and_a_second_stop_finds_nothing(
        self, stack: Stack, invoke: Any, client: Any
    ) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        pid = events(invoke(arn))[0]["pid"]
        core = client("bedrock-agentcore")
        core.stop_runtime_session(agentRuntimeArn=arn, runtimeSessionId=SESSION)

        assert not psutil.pid_exists(pid)
        code, _, status = refused(lambda: core.stop_runtime_session(agentRuntimeArn=arn, runtimeSessionId=SESSION))
        assert (code, status) == ("ResourceNotFoundException", 404)

    def test_two_first_requests_at_once_start_one_process(self, stack: Stack, invoke: Any) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        pids: list[int] = []
        threads = [threading.Thread(target=lambda: pids.append(events(invoke(arn))[0]["pid"])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(pids) == 4
        assert len(set(pids)) == 1

    def test_only_listed_and_custom_headers_reach_the_agent(self, stack: Stack, invoke: Any) -> None:
        listed = {"RequestHeaderAllowlist": ["X-Amzn-Bedrock-AgentCore-Runtime-Custom-Desk"]}
        arn = stack.deploy({"Agent": runtime(RequestHeaderConfiguration=listed)}, **OUTPUTS)["Arn"]
        headers = events(invoke(arn, runtimeUserId="nurse-7"))[0]["headers"]

        assert headers["x-amzn-bedrock-agentcore-runtime-user-id"] == "nurse-7"
        assert "authorization" not in headers


class TestFailures:
    def test_an_agent_that_fails_or_dies_is_a_runtime_client_error(self, stack: Stack, invoke: Any) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]

        code, message, status = refused(lambda: invoke(arn, '{"status": 500}'))
        assert (code, status) == ("RuntimeClientError", 424)
        assert message.startswith("Received error (500) from runtime.")
        assert refused(lambda: invoke(arn, '{"exit": 3}'))[0] == "RuntimeClientError"
        assert events(invoke(arn))[0]["turns"] == 1  # the next request has a new process

    def test_a_process_that_was_killed_leaves_neither_a_folder_nor_a_pipe(self, stack: Stack, invoke: Any) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        first = events(invoke(arn))[0]
        (killed,) = (session for state in stores() for session in state.sessions.values())
        psutil.Process(first["pid"]).kill()
        eventually(lambda: not killed.alive)
        again = events(invoke(arn))[0]

        assert (again["turns"], again["pid"] == first["pid"]) == (1, False)
        eventually(lambda: not Path(first["folder"]).exists() and _pipe(killed).closed)

    @pytest.mark.parametrize(
        ("files", "reason"),
        [
            ({"main": "raise SystemExit(4)"}, "the agent ended with exit code 4 before it listened on port 8080"),
            ({"other": ""}, "the package has no main.py"),
        ],
    )
    def test_an_agent_that_cannot_start_says_why_in_its_log(
        self, stack: Stack, invoke: Any, client: Any, files: dict[str, str], reason: str
    ) -> None:
        client("s3").put_object(Bucket="code", Key="agent.zip", Body=package(**files))
        outputs = stack.deploy({"Agent": runtime()}, **OUTPUTS)
        code, message, _ = refused(lambda: invoke(outputs["Arn"]))

        assert (code, message.split(".")[0]) == ("RuntimeClientError", "An error occurred while starting the runtime")
        group = f"/aws/bedrock-agentcore/runtimes/{outputs['Id']}-DEFAULT"
        logged = [e["message"] for e in client("logs").filter_log_events(logGroupName=group)["events"]]
        assert reason in logged

    def test_an_agent_that_never_listens_exceeds_the_initialization_time(
        self, stack: Stack, invoke: Any, client: Any
    ) -> None:
        settings.configure(agent_start_s=0.5)
        client("s3").put_object(Bucket="code", Key="agent.zip", Body=package(main="import time\ntime.sleep(60)"))
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]

        assert refused(lambda: invoke(arn))[1].startswith("Runtime initialization time exceeded.")

    def test_a_missing_interpreter_names_the_command_that_installs_it(
        self, stack: Stack, invoke: Any, client: Any, tmp_path: Path
    ) -> None:
        settings.configure(agent_python=tmp_path / "python")
        outputs = stack.deploy({"Agent": runtime()}, **OUTPUTS)
        refused(lambda: invoke(outputs["Arn"]))
        group = f"/aws/bedrock-agentcore/runtimes/{outputs['Id']}-DEFAULT"

        logged = client("logs").filter_log_events(logGroupName=group)["events"][0]["message"]
        assert logged.endswith("is missing; install it with `make agent-tools`")

    def test_requests_that_agentcore_refuses(self, stack: Stack, invoke: Any, admin: Any) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]

        assert refused(lambda: invoke(arn[:-1] + "?"))[0] == "ResourceNotFoundException"
        assert refused(lambda: invoke(arn, qualifier="prod"))[1] == "No endpoint or agent found with qualifier 'prod'"
        admin("POST", "faults", {"fault": "throttling", "target": "InvokeAgentRuntime", "times": 1})
        assert refused(lambda: invoke(arn))[::2] == ("ThrottlingException", 429)
        admin("POST", "faults", {"fault": "access-denied", "target": "InvokeAgentRuntime", "times": 1})
        assert refused(lambda: invoke(arn))[::2] == ("AccessDeniedException", 403)

    def test_a_runtime_that_wants_a_jwt_refuses_a_signature(self, stack: Stack, invoke: Any) -> None:
        jwt = {
            "CustomJWTAuthorizer": {
                "DiscoveryUrl": "https://id.example/.well-known/openid-configuration",
                "AllowedClients": ["web"],
            }
        }
        arn = stack.deploy({"Agent": runtime(AuthorizerConfiguration=jwt)}, **OUTPUTS)["Arn"]

        assert "Authorization method mismatch" in refused(lambda: invoke(arn))[1]


class TestDeployment:
    def test_attributes_and_the_control_plane_agree(self, stack: Stack, client: Any) -> None:
        outputs = stack.deploy({"Agent": runtime(Description="d")}, **OUTPUTS)
        control = client("bedrock-agentcore-control")
        shown = control.get_agent_runtime(agentRuntimeId=outputs["Id"])

        assert outputs["Arn"] == f"arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/{outputs['Id']}"
        assert (outputs["Version"], outputs["Status"]) == ("1", "READY")
        assert (shown["agentRuntimeName"], shown["agentRuntimeArn"], shown["status"]) == (
            "local_agent",
            outputs["Arn"],
            "READY",
        )
        assert shown["environmentVariables"] == {"WHO": "first"}
        assert shown["agentRuntimeArtifact"]["codeConfiguration"]["code"]["s3"]["bucket"] == "code"
        assert [one["agentRuntimeId"] for one in control.list_agent_runtimes()["agentRuntimes"]] == [outputs["Id"]]
        assert (
            control.get_agent_runtime_endpoint(agentRuntimeId=outputs["Id"], endpointName="DEFAULT")["liveVersion"]
            == "1"
        )
        code, message, _ = refused(lambda: control.get_agent_runtime(agentRuntimeId="nobody-0123456789"))
        assert (code, message) == ("ResourceNotFoundException", "Agent 'nobody-0123456789' was not found")
        assert refused(lambda: control.delete_agent_runtime(agentRuntimeId=outputs["Id"]))[0] == "ValidationException"

    def test_lists_have_pages(self, stack: Stack, client: Any) -> None:
        stack.deploy({f"Agent{n}": runtime(AgentRuntimeName=f"agent_{n}") for n in range(5)})
        pages = (
            client("bedrock-agentcore-control")
            .get_paginator("list_agent_runtimes")
            .paginate(PaginationConfig={"PageSize": 2})
        )
        names = [[one["agentRuntimeName"] for one in page["agentRuntimes"]] for page in pages]

        assert [len(page) for page in names] == [2, 2, 1]
        assert len({name for page in names for name in page}) == 5

    def test_an_update_is_a_version_and_a_pinned_endpoint_stays(self, stack: Stack, invoke: Any) -> None:
        def endpoint(name: str, **version: Any) -> dict[str, Any]:
            properties = {"AgentRuntimeId": {"Ref": "Agent"}, "Name": name, **version}
            return {"Type": "AWS::BedrockAgentCore::RuntimeEndpoint", "Properties": properties}

        newest = endpoint("newest", AgentRuntimeVersion={"Fn::GetAtt": ["Agent", "AgentRuntimeVersion"]})
        pinned = endpoint("pinned", AgentRuntimeVersion="1")
        template = {"Newest": newest, "Pinned": pinned}
        arn = stack.deploy({"Agent": runtime(), **template}, **OUTPUTS)["Arn"]
        old = events(invoke(arn))[0]
        changed = stack.deploy({"Agent": runtime(EnvironmentVariables={"WHO": "second"}), **template}, **OUTPUTS)

        def who(session: str, **more: Any) -> str:
            return str(events(invoke(arn, session=session, **more))[0]["who"])

        assert (changed["Arn"], changed["Version"]) == (arn, "2")
        assert events(invoke(arn))[0] | {"turns": 0, "headers": 0} == old | {
            "turns": 0,
            "headers": 0,
        }  # a running session goes on
        assert who(OTHER) == "second"
        assert who("p" * 33, qualifier="pinned") == "first"
        assert who("n" * 33, qualifier="newest") == "second"

    def test_deleting_the_stack_ends_the_sessions_and_forgets_the_runtime(
        self, stack: Stack, invoke: Any, client: Any
    ) -> None:
        arn = stack.deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        report = events(invoke(arn))[0]
        stack.delete()

        assert not psutil.pid_exists(report["pid"])
        assert not Path(report["folder"]).exists()
        assert client("bedrock-agentcore-control").list_agent_runtimes()["agentRuntimes"] == []
        assert refused(lambda: invoke(arn))[0] == "ResourceNotFoundException"

    @pytest.mark.parametrize("name", ["local-agent", "9agent", "a" * 49])
    def test_names_that_agentcore_does_not_allow_fail_the_stack(self, stack: Stack, name: str) -> None:
        assert "at 'agentRuntimeName' failed to satisfy constraint" in stack.fails(
            {"Agent": runtime(AgentRuntimeName=name)}
        )

    def test_a_name_that_is_taken_fails_the_stack(self, stack: Stack) -> None:
        reasons = stack.fails({"One": runtime(), "Two": runtime()})
        assert "An agent with name 'local_agent' already exists in this account" in reasons
        assert not [found for state in stores() for found in state.runtimes]
