"""Transaction Search: the account's only configuration, and what X-Ray may write; kept when the stack goes."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang.environments.reading import cdk_json_context
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.observability.traces.transaction_search import TransactionSearch
from stacks.fleet import add_fleet

HERE = cdk.Environment(account="111122223333", region="us-east-1")


def search_template(**options: float) -> Template:
    stack = cdk.Stack(cdk.App(), "Search", env=HERE)
    TransactionSearch(stack, "Search", **options)
    return Template.from_stack(stack)


def test_xray_may_write_spans_of_this_account_and_nothing_else() -> None:
    ((_, policy),) = search_template().find_resources("AWS::Logs::ResourcePolicy").items()
    (statement,) = json.loads(_text(policy["Properties"]["PolicyDocument"]))["Statement"]
    assert statement["Principal"] == {"Service": "xray.amazonaws.com"}
    assert statement["Action"] == "logs:PutLogEvents"
    assert statement["Resource"] == [
        "arn:aws:logs:us-east-1:111122223333:log-group:aws/spans:*",
        "arn:aws:logs:us-east-1:111122223333:log-group:/aws/application-signals/data:*",
    ]
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:xray:us-east-1:111122223333:*"},
        "StringEquals": {"aws:SourceAccount": "111122223333"},
    }


def _text(value: object) -> str:
    """The policy with the partition filled in, as CloudFormation does."""
    if isinstance(value, str):
        return value
    assert isinstance(value, dict)
    return "".join(part if isinstance(part, str) else "aws" for part in value["Fn::Join"][1])


def test_both_resources_stay_when_the_stack_goes_and_the_policy_comes_first() -> None:
    template = search_template(indexing_percent=5)
    ((policy_id, policy),) = template.find_resources("AWS::Logs::ResourcePolicy").items()
    ((_, config),) = template.find_resources("AWS::XRay::TransactionSearchConfig").items()
    assert {policy["DeletionPolicy"], config["DeletionPolicy"]} == {"Retain"}
    assert config["DependsOn"] == [policy_id]
    assert config["Properties"] == {"IndexingPercentage": 5}


@pytest.mark.parametrize("percent", [-1, 100.5])
def test_a_share_that_is_none_is_refused(percent: float) -> None:
    with pytest.raises(ConfigurationError, match=r"Search\.indexing_percent: .* is out of range; use 0 to 100"):
        search_template(indexing_percent=percent)


@pytest.mark.parametrize(
    ("setting", "stacks"), [({}, []), ({"transaction_search": "enable"}, ["cdk-sglang-dev-transaction-search"])]
)
def test_an_environment_has_it_where_it_is_asked_for(setting: dict[str, str], stacks: list[str]) -> None:
    component = {"model": {"s3": "s3://models/mine/", "weights_gib": 15}}
    endpoint = {"capacity": {"type": "ml.g6e.12xlarge", "max_instances": 2}, "components": {"llama": component}}
    content = {
        "network": {"vpc": "none"},
        "observability": {"dashboards": False} | setting,
        "endpoints": {"chat": endpoint},
    }
    app = cdk.App(context=cdk_json_context())
    add_fleet(app, name="dev", settings=Environment.model_validate(content), source="dev.yaml", env=HERE)
    names = [stack.stack_name for stack in app.node.children if isinstance(stack, cdk.Stack)]
    assert [name for name in names if name.endswith("transaction-search")] == stacks
    assert "cdk-sglang-dev-observability" in names, "failures are counted without dashboards, too"
