"""`cdk-sglang diff` between two syntheses: what it says of each change to an environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from typer.testing import CliRunner

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, NoVerification, ServingImage
from cdk_sglang.cli.assembly import Stack, read_assembly
from cdk_sglang.cli.diff.compare import compare
from cdk_sglang.cli.diff.folders import report_of
from cdk_sglang.cli.diff.replacement import REPLACING
from cdk_sglang.cli.diff.report import DiffReport, Span
from cdk_sglang.cli.diff.show import print_diff
from cdk_sglang.cli.main import app
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError
from tests.support.diffs import Edit, Environments, Settings, by_name, effects

GUARDS = (
    "5 or more requests a minute failed on the serving side",
    "5 or more requests a minute were not answered by the model",
)


@pytest.fixture(scope="module")
def environments(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(root, tmp_path_factory.mktemp("assemblies"))


def chat(settings: Settings) -> Any:
    return settings["endpoints"]["chat"]


def llama(settings: Settings) -> Any:
    return chat(settings)["components"]["llama"]


def qwen(settings: Settings) -> Any:
    return settings["endpoints"]["small"]["components"]["qwen"]


def rename(settings: Settings, old: str, new: str) -> None:
    components = chat(settings)["components"]
    components[new] = components.pop(old)


CHANGES: list[tuple[str, Edit, dict[str, str]]] = [
    ("nothing", lambda _: None, {}),
    ("context_length", lambda s: llama(s)["server"].update(context_length=8192), {"chat/llama": "new copies"}),
    (
        "context_length without room for a second copy",
        lambda s: qwen(s)["server"].update(context_length=4096),
        {"small/qwen": "replaced"},
    ),
    (
        "tp_size",
        lambda s: chat(s)["components"]["gpt-oss"]["server"].update(tp_size=2),
        {"chat/gpt-oss": "new copies"},
    ),
    ("weights", lambda s: llama(s)["model"].update(prefix="weights/llama-2/"), {"chat/llama": "new copies"}),
    (
        "image of one endpoint",
        lambda s: s["endpoints"]["small"].update(
            image={
                "repository": {
                    "name": "mine",
                    "digest": f"sha256:{'1' * 64}",
                    "cuda": "13.0",
                    "sglang_version": "0.5.17",
                }
            }
        ),
        {"small/qwen": "replaced"},
    ),
    (
        "type",
        lambda s: s["endpoints"]["small"]["capacity"].update(type="ml.g6e.4xlarge"),
        {"small": "second fleet", "small/qwen": "replaced"},
    ),
    (
        "order of a pool",
        lambda s: chat(s)["capacity"].update(pool=["ml.g6e.24xlarge", "ml.g6e.12xlarge"]),
        {"chat": "instances in batches", "chat/llama": "new copies", "chat/gpt-oss": "new copies"},
    ),
    ("max_instances", lambda s: chat(s)["capacity"].update(max_instances=4), {"chat": "instances in batches"}),
    ("routing", lambda s: chat(s).update(routing={"prefix_aware": {}}), {"chat": "instances in batches"}),
    ("min_instances", lambda s: chat(s)["capacity"].update(min_instances=3), {"chat": "instances in batches"}),
    ("max_copies", lambda s: llama(s)["scaling"].update(max_copies=8), {"chat/llama": "updated in place"}),
    (
        "schedule",
        lambda s: llama(s)["scaling"]["schedules"]["office"].update(begins="08:00"),
        {"chat/llama": "updated in place"},
    ),
    (
        "nightly stop",
        lambda s: chat(s).update(nightly_stop={"begins": "22:00", "ends": "06:00", "time_zone": "Europe/Berlin"}),
        {"chat/llama": "updated in place", "chat/gpt-oss": "updated in place"},
    ),
    (
        "rollout of a component",
        lambda s: llama(s)["rollout"].update(wait_seconds=60),
        {"chat/llama": "updated in place"},
    ),
    ("rollout of an endpoint", lambda s: chat(s)["rollout"].update(wait_seconds=60), {"chat": "updated in place"}),
    (
        "an adapter more",
        lambda s: llama(s)["adapters"].update(billing={"key": "adapters/billing-v1.tar.gz"}),
        {"chat/llama/billing": "created"},
    ),
    (
        "another version of an adapter",
        lambda s: llama(s)["adapters"].update(triage={"key": "adapters/triage-v4.tar.gz"}),
        {"chat/llama/triage": "updated in place"},
    ),
    ("an adapter less", lambda s: llama(s).pop("adapters"), {"chat/llama/triage": "removed"}),
    (
        "a component more",
        lambda s: chat(s)["components"].update(
            qwen={"model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/q/"}, "server": {"context_length": 8192}}
        ),
        {"chat/qwen": "created"},
    ),
    ("a component less", lambda s: chat(s)["components"].pop("gpt-oss"), {"chat/gpt-oss": "removed"}),
    (
        "a component renamed",
        lambda s: rename(s, "gpt-oss", "oss"),
        {"chat/oss": "created", "chat/gpt-oss": "removed"},
    ),
    ("bound of a rollback alarm", lambda s: llama(s)["rollout"]["alarms"].update(server_errors=8), {}),
    ("silent alarms", lambda s: s.update(alarms={"none": "nobody watches at night"}), {}),
    (
        "no network",
        lambda s: s.update(network={"vpc": "none"}),
        {
            "chat": "instances in batches",
            "chat/llama": "new copies",
            "chat/gpt-oss": "new copies",
            "small": "second fleet",
            "small/qwen": "replaced",
        },
    ),
    (
        "zones of the network, which hand other subnets to the endpoints",
        lambda s: s["network"].update(availability_zones=["us-east-1c", "us-east-1d"]),
        {
            "chat": "instances in batches",
            "chat/llama": "new copies",
            "chat/gpt-oss": "new copies",
            "small": "second fleet",
            "small/qwen": "replaced",
        },
    ),
    ("log retention", lambda s: s.update(data={"log_retention_days": 90}), {}),
    (
        "tags",
        lambda s: s.update(tags={"cost-centre": "ml"}),
        dict.fromkeys(
            ("chat", "chat/llama", "chat/llama/triage", "chat/gpt-oss", "small", "small/qwen"), "updated in place"
        ),
    ),
    (
        "Region",
        lambda s: s.update(region="us-west-2"),
        dict.fromkeys(("chat/llama", "chat/llama/triage", "chat/gpt-oss", "small/qwen"), "created"),
    ),
    (
        "an endpoint less",
        lambda s: s["endpoints"].pop("small"),
        {"small": "no longer in the file, keeps running"},
    ),
]


@pytest.mark.parametrize(("edit", "expected"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_each_change_says_what_it_does(environments: Environments, edit: Edit, expected: dict[str, str]) -> None:
    found = effects(environments.report(edit))
    if "chat" in found and found["chat"].startswith("no longer"):  # Region: both sides are named alike
        found = {name: effect for name, effect in found.items() if "/" in name}
    assert found == expected


def test_new_copies_say_room_time_alarms_and_what_changes(environments: Environments) -> None:
    item = by_name(environments.report(lambda s: llama(s)["server"].update(context_length=8192)))["chat/llama"]
    assert item.why == ("context_length: 16384 -> 8192",)
    assert (item.copies, item.gpus) == (Span(low=2, high=6), Span(low=1, high=1))
    assert item.guards == GUARDS
    assert item.verified
    assert item.minutes is not None
    plan = json.loads((environments.assembly() / "plan.json").read_text())
    start = next(one for one in plan["endpoints"] if one["name"] == "chat")["components"][0]["start_up"]
    copy = start["download"] + start["load"] + start["engine"]
    assert item.minutes.low == pytest.approx(2 * (copy + 300) / 60)
    assert item.minutes.high == pytest.approx((6 * (copy + 300) + start["instance"] + start["image"]) / 60)


def test_a_renamed_component_without_room_beside_the_old_one_says_so(environments: Environments) -> None:
    def renamed(settings: Settings) -> None:
        components = settings["endpoints"]["small"]["components"]
        components["qwen3"] = components.pop("qwen")

    item = by_name(environments.report(renamed))["small/qwen3"]
    assert item.effect == "created"
    assert item.notes == (
        "no room while qwen still exists, and it is deleted last: max_instances: 2 makes room, or a deployment without both first",
    )
    assert by_name(environments.report(lambda s: rename(s, "gpt-oss", "oss")))["chat/oss"].notes == ()


def test_the_only_copy_without_room_is_down_for_one_start(environments: Environments) -> None:
    item = by_name(environments.report(lambda s: qwen(s)["server"].update(context_length=4096)))["small/qwen"]
    plan = json.loads((environments.assembly() / "plan.json").read_text())
    start = next(one for one in plan["endpoints"] if one["name"] == "small")["components"][0]["start_up"]
    assert item.down_minutes == pytest.approx((start["download"] + start["load"] + start["engine"]) / 60)
    assert "max_instances: 2 makes room" in item.notes[0]
    roomy: Edit = lambda s: s["endpoints"]["small"]["capacity"].update(max_instances=2)

    def both(settings: Settings) -> None:
        roomy(settings)
        qwen(settings)["server"].update(context_length=4096)

    assert effects(environments.report(both, before=roomy)) == {"small/qwen": "new copies"}


def test_a_second_fleet_says_instances_minutes_and_dollars(environments: Environments) -> None:
    item = by_name(environments.report(lambda s: s["endpoints"]["small"].update(metric_frequency_seconds=30)))["small"]
    assert item.effect == "second fleet"
    assert item.instances == Span(low=1, high=1)
    assert item.types == ("ml.g6e.2xlarge",)
    assert item.minutes is not None
    assert item.usd is not None
    assert item.usd.low == pytest.approx(2.8026 * item.minutes.low / 60)
    assert item.guards == ()


def test_batches_need_a_part_of_the_instances(environments: Environments) -> None:
    item = by_name(environments.report(lambda s: chat(s)["capacity"].update(max_instances=4)))["chat"]
    assert item.instances == Span(low=1, high=1)  # half of two, and of three, rounded down
    assert item.minutes is not None
    assert item.usd is not None
    assert item.usd.high > item.usd.low > 0
    assert item.guards == GUARDS


def test_an_image_that_is_built_anew_changes_copies_only_if_its_digest_is_another(
    environments: Environments, tmp_path: Path
) -> None:
    def rebuild(templates: dict[str, dict[str, Any]]) -> None:
        resources = templates["Foundation"]["Resources"].values()
        for build in (one for one in resources if one["Type"] == "Custom::CdkSglangBuild"):
            build["Properties"]["Source"] = "another"

    folder = environments.edited(rebuild, tmp_path / "rebuilt")
    items = by_name(report_of("prod", folder, before=environments.assembly()))
    assert {name: item.certain for name, item in items.items() if item.effect == "new copies"} == {
        "chat/llama": False,
        "chat/gpt-oss": False,
    }
    assert items["small/qwen"].effect == "untouched"
    assert items["chat/llama"].why[0].startswith("image digest")


def test_another_key_of_the_foundation_reaches_logs_and_no_container(
    environments: Environments, tmp_path: Path
) -> None:
    def another_key(templates: dict[str, dict[str, Any]]) -> None:
        for stack in ("Foundation",):
            resources = templates[stack]["Resources"]
            (parameter,) = (
                one
                for one in resources.values()
                if one["Type"] == "AWS::SSM::Parameter" and one["Properties"]["Name"].endswith("/key-arn")
            )
            parameter["Properties"]["Value"] = "arn:aws:kms:us-east-1:111122223333:key/mine"

    folder = environments.edited(another_key, tmp_path / "key")
    report = report_of("prod", folder, before=environments.assembly())
    assert effects(report) == {}
    assert {one.type for one in report.others if one.stack == "cdk-sglang-prod-chat"} >= {"AWS::Logs::LogGroup"}
    assert not report.questions()


NO_NETWORK: Edit = lambda s: s.update(network={"vpc": "none"})


def zones(*names: str, **more: Any) -> Edit:
    return lambda s: s["network"].update(availability_zones=list(names), **more)


@pytest.mark.parametrize(
    ("after", "refused"),
    [
        (["us-east-1c", "us-east-1d"], "10.64.0.0/17"),
        (["us-east-1a", "us-east-1b", "us-east-1c"], "10.64.0.0/18 next to 10.64.0.0/17"),
    ],
)
def test_a_subnet_cannot_have_addresses_of_one_that_is_deleted_after_it(
    environments: Environments, after: list[str], refused: str
) -> None:
    report = environments.report(zones(*after), before=zones("us-east-1a", "us-east-1b"))
    message = f"AWS refuses a second one with CidrBlock {refused}: the deployment fails; leave network."
    assert [text for text in report.refused if message in text]
    assert len(report.refused) == len(after)
    assert set(report.refused) <= set(report.obstacles())


def test_a_foundation_without_endpoints_in_its_network_may_have_another_vpc(environments: Environments) -> None:
    elsewhere = environments.assembly(zones("us-east-1c", "us-east-1d", cidr="10.65.0.0/16"))
    foundation = [stack for stack in read_assembly(environments.assembly()) if stack.id == "Foundation"]
    assert compare(foundation, read_assembly(elsewhere), title="prod").obstacles() == []


def test_a_network_that_endpoints_are_in_becomes_another_one_in_two_deployments(environments: Environments) -> None:
    report = environments.report(zones("us-east-1c", "us-east-1d", cidr="10.65.0.0/16"))
    assert report.refused == ()
    assert [text.partition(" is in the network that the foundation replaces")[0] for text in report.obstacles()] == [
        "cdk-sglang-prod-chat",
        "cdk-sglang-prod-small",
    ]
    assert "in two deployments: first network: {vpc: none}" in report.obstacles()[0]


def test_endpoints_leave_a_network_before_the_foundation_removes_it(
    environments: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    report = environments.report(NO_NETWORK)
    assert (report.obstacles(), report.order.fleet_first) == ([], True)
    print_diff(report, stdout())
    assert (
        "  fleet before foundation: cdk-sglang-prod-chat, cdk-sglang-prod-small must leave the network that the foundation removes\n"
        in capsys.readouterr().out
    )
    assert not environments.report(None, before=NO_NETWORK).order.fleet_first, (
        "the network is there before who joins it"
    )


def test_a_fleet_that_leaves_its_network_cannot_wait_for_the_foundation_too(environments: Environments) -> None:
    def and_an_image(settings: Settings) -> None:
        NO_NETWORK(settings)
        settings["endpoints"]["small"]["image"] = {"build": {"digest": f"sha256:{'2' * 64}"}}

    (problem,) = environments.report(and_an_image).obstacles()
    assert problem.startswith(
        "cdk-sglang-prod-small must leave the network before the foundation removes it, and needs"
    )
    assert problem.endswith("change the network alone and deploy, then the rest")


def test_a_stack_that_stays_in_a_network_keeps_it(environments: Environments) -> None:
    def without_small(settings: Settings) -> None:
        NO_NETWORK(settings)
        del settings["endpoints"]["small"]

    (problem,) = environments.report(without_small).obstacles()
    assert problem.endswith(
        "is no longer part of the environment; delete it first: aws cloudformation delete-stack --stack-name cdk-sglang-prod-small --region us-east-1"
    )


def test_a_component_that_begins_to_sleep_at_night_says_so(environments: Environments) -> None:
    report = environments.report(
        lambda s: chat(s).update(nightly_stop={"begins": "22:00", "ends": "06:00", "time_zone": "Europe/Berlin"})
    )
    items = by_name(report)
    assert items["chat/llama"].why == ("schedules: changed",)
    assert items["chat/gpt-oss"].why == ("scaling and schedules: new",)


def test_what_sagemaker_cannot_change_is_said_to_be_refused(environments: Environments, tmp_path: Path) -> None:
    def edit(templates: dict[str, dict[str, Any]]) -> None:
        resources = templates["Serving-chat"]["Resources"]
        renamed = False
        for name, one in list(resources.items()):
            properties = one.get("Properties", {})
            if properties.get("InferenceComponentName") == "prod-chat-gpt-oss":
                properties["VariantName"] = "Other"
            if properties.get("InferenceComponentName") == "prod-chat-llama-triage" and not renamed:
                resources["another"] = resources.pop(name)
                renamed = True

    items = by_name(report_of("prod", environments.edited(edit, tmp_path / "refused"), before=environments.assembly()))
    assert items["chat/gpt-oss"].effect == items["chat/llama/triage"].effect == "refused by AWS"
    assert "cannot change VariantName" in items["chat/gpt-oss"].notes[0]
    assert "refuses a second of that name" in items["chat/llama/triage"].notes[0]


def test_an_endpoint_of_an_app_that_gets_another_name_is_replaced_with_all_that_is_on_it(tmp_path: Path) -> None:
    def assembly(name: str) -> list[Stack]:
        program = cdk.App(outdir=str(tmp_path / name), analytics_reporting=False)
        stack = cdk.Stack(program, "Mine")
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=1),
            image=ServingImage.from_dlc(),
            endpoint_name=name,
            verification=NoVerification(reason="a test"),
        )
        endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/", check=False))
        program.synth()
        return read_assembly(tmp_path / name)

    report = compare(assembly("first"), assembly("second"), title="mine")
    assert effects(report) == {"second": "replaced", "second/llama": "replaced"}
    items = by_name(report)
    assert items["second"].instances == Span(low=1, high=1)
    assert items["second"].notes[0].startswith("first becomes second: both run until the new one serves")
    assert items["second"].minutes is None  # nobody planned it
    assert report.questions() == ["second: replaced", "second/llama: replaced"]


def test_an_endpoint_out_of_the_file_is_named_with_the_command_that_deletes_it(environments: Environments) -> None:
    report = environments.report(lambda s: s["endpoints"].pop("small"))
    command = "aws cloudformation delete-stack --stack-name cdk-sglang-prod-small --region us-east-1"
    assert by_name(report)["small"].command == command
    assert {one.name for one in report.left} == {"cdk-sglang-prod-small", "cdk-sglang-prod-small-alarms"}


def test_another_region_leaves_the_old_stacks_where_they_are(environments: Environments) -> None:
    report = environments.report(lambda s: s.update(region="us-west-2"))
    assert len(report.left) == 7
    assert all(one.command.endswith("--region us-east-1") for one in report.left)
    assert [item.effect.value for item in report.items if item.name == "chat"] == [
        "created",
        "no longer in the file, keeps running",
    ]


def test_another_question_of_the_verification_is_a_change_that_touches_no_container(environments: Environments) -> None:
    smoke = {
        "body": {"messages": [{"role": "user", "content": "2+2="}], "max_tokens": 4},
        "expect": ["choices.0.message.content"],
    }
    report = environments.report(lambda s: chat(s).update(verify={"smoke": smoke}))
    assert effects(report) == {}
    assert not report.is_empty
    assert [one.type for one in report.others] == ["Custom::CdkSglangTruth"]


def test_alarms_say_their_old_and_new_bound(environments: Environments) -> None:
    report = environments.report(lambda s: llama(s)["rollout"]["alarms"].update(server_errors=8))
    assert report.alarms == (
        "updated: Component prod-chat-llama: 8 or more requests a minute failed on the serving side (Threshold: 5 -> 8)",
    )


@pytest.mark.parametrize(
    ("edit", "questions"),
    [
        (lambda _: None, []),
        (lambda s: llama(s)["server"].update(context_length=8192), []),
        (lambda s: qwen(s)["server"].update(context_length=4096), ["small/qwen: replaced"]),
        (lambda s: llama(s).pop("adapters"), ["chat/llama/triage: removed"]),
        (
            lambda s: chat(s)["capacity"].update(max_instances=4),
            ["chat: instances in batches", "at full scale 78.12 instead of 59.29 $/h"],
        ),
    ],
)
def test_whoever_deploys_is_asked_about_replacements_and_costs_alone(
    environments: Environments, edit: Edit, questions: list[str]
) -> None:
    assert environments.report(edit).questions() == questions


def everything(settings: Settings) -> None:
    chat(settings)["capacity"].update(max_instances=4)
    llama(settings)["server"].update(context_length=8192)
    llama(settings)["adapters"].update(triage={"key": "adapters/triage-v4.tar.gz"})
    qwen(settings)["server"].update(context_length=4096)
    chat(settings)["components"].pop("gpt-oss")


@pytest.mark.parametrize("width", [60, 140])
def test_the_terminal_shows_it_at_any_width(
    environments: Environments, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    report: DiffReport = environments.report(everything)
    print_diff(report, stdout(width=width))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "prod: what a deployment would do"
    assert {"chat: instances in batches", "chat/llama: new copies", "chat/gpt-oss: removed"} <= set(lines)
    assert not any(line != line.rstrip() for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "context_length: 16384 -> 8192" in text
    assert "alarms that trigger a rollback: 5 or more requests a minute failed on the serving side" in text
    assert "nothing serves for about 4 minutes" in text


def test_the_command_compares_two_folders_and_fails_only_if_told_to(environments: Environments) -> None:
    def run(edit: Edit | None, *more: str) -> Any:
        folders = ["--from", str(environments.assembly()), "--to", str(environments.assembly(edit))]
        return CliRunner().invoke(app, ["diff", *folders, *more])

    def shorter(settings: Settings) -> None:
        llama(settings)["server"].update(context_length=8192)

    assert [run(shorter).exit_code, run(shorter, "--fail").exit_code, run(None, "--fail").exit_code] == [0, 1, 0]
    comparison = json.loads(run(shorter, "--json").stdout)
    (item,) = (one for one in comparison["items"] if one["effect"] != "untouched")
    assert (item["name"], item["copies"], item["gpus_beside"]) == ("chat/llama", [2, 6], [1, 1])
    assert comparison["changes"] is True
    assert run(None).stdout.splitlines()[-1] == "nothing changes"


def test_without_an_environment_both_folders_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="name an environment, or give both --from and --to"):
        CliRunner().invoke(app, ["diff", "--from", "somewhere"], catch_exceptions=False)


@pytest.mark.parametrize("type_name", sorted(REPLACING))
def test_what_replaces_a_resource_is_what_the_registry_says(type_name: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", type_name).schema
    paths = [
        path.removeprefix("/properties/")
        for key in ("createOnlyProperties", "conditionalCreateOnlyProperties")
        for path in schema.get(key) or []
    ]
    assert REPLACING[type_name] == {path for path in paths if "/" not in path}
