"""Lambda functions and state machines, which custom resources and pipelines are made of."""

import base64
import io
import json
import textwrap
import zipfile
from typing import Any

import pytest

from localcloud.aws.compute import warm
from tests.localcloud.helpers import ROLE, eventually


def packed(name: str | dict[str, str], code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file, text in (name if isinstance(name, dict) else {name: code}).items():
            archive.writestr(file, textwrap.dedent(text))
    return buffer.getvalue()


@pytest.fixture
def function(client: Any) -> Any:
    lambdas = client("lambda")
    client("iam").create_role(RoleName="hosting", AssumeRolePolicyDocument="{}")
    statement = {"Effect": "Allow", "Action": ["logs:*", "lambda:InvokeFunction"], "Resource": "*"}
    basic = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_role_policy(RoleName="hosting", PolicyName="basic", PolicyDocument=basic)

    def invoke(
        name: str | dict[str, str], code: str, *, runtime: str = "python3.12", timeout: int = 10, **options: Any
    ) -> Any:
        lambdas.create_function(
            FunctionName="f",
            Runtime=runtime,
            Role=ROLE,
            Handler="index.handler",
            Timeout=timeout,
            Environment={"Variables": {"WHO": "world"}},
            Code={"ZipFile": packed(name, code)},
        )
        answer = lambdas.invoke(FunctionName="f", Payload=json.dumps({"n": 2}), **options)
        payload = answer["Payload"].read()
        return answer.get("FunctionError"), json.loads(payload) if payload else None

    return invoke


def test_python_function_gets_event_environment_and_context(function: Any) -> None:
    code = """
        import os
        def handler(event, context):
            left = context.get_remaining_time_in_millis()
            return [event["n"], os.environ["WHO"], 0 < left <= 10000, context.function_name]
    """
    assert function("index.py", code) == (None, [2, "world", True, "f"])


def test_function_talks_to_the_embedded_services(function: Any, client: Any) -> None:
    client("ssm").put_parameter(Name="/x", Value="found", Type="String")
    code = """
        import boto3
        def handler(event, context):
            return boto3.client("ssm").get_parameter(Name="/x")["Parameter"]["Value"]
    """
    kind = (function("index.py", code)[1] or {}).get("errorType")
    assert kind == "AccessDeniedException", "the function's role allows nothing"
    statement = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_role_policy(RoleName="hosting", PolicyName="p", PolicyDocument=policy)
    answer = client("lambda").invoke(FunctionName="f", Payload="{}")
    assert json.loads(answer["Payload"].read()) == "found"


def test_node_function_runs(function: Any) -> None:
    code = (
        "exports.handler = async (event, context) => ({ n: event.n, who: process.env.WHO, f: context.functionName });"
    )
    assert function("index.js", code, runtime="nodejs22.x") == (None, {"n": 2, "who": "world", "f": "f"})


def test_exception_is_a_function_error_with_its_type(function: Any) -> None:
    error, payload = function("index.py", "def handler(event, context):\n    raise ValueError('no')\n")
    assert error == "Unhandled"
    assert payload == {"errorMessage": "no", "errorType": "ValueError"}


def test_function_that_takes_too_long_is_ended(function: Any) -> None:
    error, payload = function("index.py", "import time\ndef handler(*_):\n    time.sleep(30)\n", timeout=1)
    assert error == "Unhandled"
    assert payload["errorMessage"] == "Task timed out after 1.00 seconds"


def test_event_invocation_is_answered_at_once_and_logged(function: Any, client: Any) -> None:
    assert function("index.py", "def handler(*_):\n    print('done later')\n", InvocationType="Event") == (None, None)

    def logged() -> bool:
        groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/f")["logGroups"]
        return bool(groups and client("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"])

    assert eventually(logged)


def test_state_machine_of_a_template_runs_functions(function: Any, client: Any) -> None:
    function("index.py", "def handler(event, context):\n    return event['n'] + 1\n")
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    task |= {"Parameters": {"FunctionName": arn, "Payload.$": "$"}, "OutputPath": "$.Payload"}
    definition = json.dumps({"StartAt": "Add", "States": {"Add": task}})
    machine = {"DefinitionString": definition, "RoleArn": ROLE, "StateMachineName": "m"}
    template = {"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}}}
    client("cloudformation").create_stack(StackName="s", TemplateBody=json.dumps(template))
    states = client("stepfunctions")
    eventually(lambda: states.list_state_machines()["stateMachines"])
    for number in (1, 2):  # executions without names do not collide
        execution = states.start_execution(
            stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:m", input=json.dumps({"n": number})
        )["executionArn"]
        described = eventually(
            lambda execution=execution: (
                (d := states.describe_execution(executionArn=execution))["status"] != "RUNNING" and d
            )
        )
        assert (described["status"], described["output"]) == ("SUCCEEDED", str(number + 1)), described


def test_a_functions_log_has_its_logger_and_never_its_answer(function: Any, client: Any) -> None:
    code = """
        import logging
        logger = logging.getLogger("f")
        logger.setLevel(logging.INFO)
        def handler(event, context):
            logger.info("looked up")
            logging.getLogger("other").info("too quiet")
            return {"patient": "Ana Silva"}
    """
    function("index.py", code)
    messages = [e["message"] for e in client("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"]]

    assert len([message for message in messages if message.startswith("[INFO]") and "looked up" in message]) == 1
    assert "Silva" not in str(messages)
    assert "too quiet" not in str(messages)


def test_a_function_finds_the_client_context_of_its_caller(function: Any) -> None:
    code = """
        def handler(event, context):
            return context.client_context.custom["tool"] if event else None
    """
    context = base64.b64encode(json.dumps({"custom": {"tool": "search"}}).encode()).decode()
    assert function("index.py", code, ClientContext=context) == (None, "search")


def test_a_functions_own_modules_go_before_those_that_are_loaded_for_it(function: Any) -> None:
    code = "import boto3, queue\ndef handler(*_):\n    return [boto3.WHOSE, queue.WHOSE]\n"
    modules = {"index.py": code, "boto3.py": "WHOSE = 'mine'\n", "queue/__init__.py": "WHOSE = 'mine too'\n"}
    assert function(modules, "") == (None, ["mine", "mine too"])


def test_one_invocation_leaves_nothing_to_the_next(function: Any, client: Any) -> None:
    code = """
        import os, sys
        def handler(*_):
            before = [os.environ.get("LEFT"), hasattr(sys, "left")]
            os.environ["LEFT"], sys.left = "1", True
            return before
    """
    assert function("index.py", code) == (None, [None, False])
    again = client("lambda").invoke(FunctionName="f")["Payload"].read()
    assert json.loads(again) == [None, False]


def test_a_function_that_ends_its_process_is_an_error_and_the_next_one_runs(function: Any, client: Any) -> None:
    error, payload = function("index.py", "import os\ndef handler(*_):\n    os._exit(3)\n")
    assert error == "Unhandled"
    assert payload == {"errorMessage": "exit status 3", "errorType": "Runtime.ExitError"}
    killed = warm.parent()._process
    assert killed is not None
    killed.kill()
    killed.wait()
    client("lambda").update_function_code(
        FunctionName="f", ZipFile=packed("index.py", "def handler(*_):\n    return 1\n")
    )
    assert json.loads(client("lambda").invoke(FunctionName="f")["Payload"].read()) == 1


def test_a_function_whose_role_may_not_log_leaves_no_log(function: Any, client: Any) -> None:
    client("iam").delete_role_policy(RoleName="hosting", PolicyName="basic")
    function("index.py", "def handler(event, context):\n    print('hello')")
    assert client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/f")["logGroups"] == []


def test_a_function_logs_to_the_group_that_it_names(function: Any, client: Any) -> None:
    code = "def handler(event, context):\n    print('hello')\n    return context.log_group_name"
    configuration = {"Runtime": "python3.12", "Role": ROLE, "Handler": "index.handler"}
    client("lambda").create_function(
        FunctionName="g",
        Code={"ZipFile": packed("index.py", code)},
        LoggingConfig={"LogGroup": "/mine"},
        **configuration,
    )
    assert json.loads(client("lambda").invoke(FunctionName="g")["Payload"].read()) == "/mine"
    events = client("logs").filter_log_events(logGroupName="/mine")["events"]
    assert [event["message"] for event in events] == ["hello"]
