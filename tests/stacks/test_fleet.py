"""An environment as an app: how its stacks hang together."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template
from rich.console import Console

from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import cdk_json_context
from cdk_sglang.environments.settings import Environment
from stacks.fleet import add_fleet
from stacks.report import print_fleet

Synthesise = Callable[[dict[str, Any]], cdk.cx_api.CloudAssembly]


@pytest.fixture
def synthesise(root: Path, tmp_path: Path) -> Synthesise:
    def run(content: dict[str, Any]) -> cdk.cx_api.CloudAssembly:
        app = cdk.App(context=cdk_json_context(root / "cdk.json"), outdir=str(tmp_path / "cdk.out"))
        settings = Environment.model_validate(content)
        env = cdk.Environment(account=settings.account, region=settings.region)
        add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)
        return app.synth()

    return run


def _templates(assembly: cdk.cx_api.CloudAssembly) -> dict[str, dict[str, Any]]:
    return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in assembly.stacks}


def _parameters(template: dict[str, Any]) -> set[str]:
    return {
        str(parameter["Default"])
        for name, parameter in template.get("Parameters", {}).items()
        if name != "BootstrapVersion"
    }


@pytest.mark.parametrize("vpc", ["none", "create"])
def test_serving_stacks_read_only_what_the_foundation_publishes(
    synthesise: Synthesise, fine: dict[str, Any], vpc: str
) -> None:
    templates = _templates(synthesise({**fine, "network": {"vpc": vpc}}))
    published = {
        resource["Properties"]["Name"]
        for resource in templates["cdk-sglang-test-foundation"]["Resources"].values()
        if resource["Type"] == "AWS::SSM::Parameter"
    }
    read = _parameters(templates["cdk-sglang-test-chat"])
    assert {"/cdk-sglang/test/key-arn", "/cdk-sglang/test/weights-bucket"} <= read <= published
    assert ("/cdk-sglang/test/subnet-ids" in read) == (vpc == "create")


def test_the_foundation_is_deployed_first(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    assembly = synthesise(fine)
    serving = assembly.get_stack_by_name("cdk-sglang-test-chat")
    assert "Foundation" in [dependency.id for dependency in serving.dependencies]


def test_a_synth_asks_nobody_and_builds_nothing(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    assembly = synthesise({**fine, "network": {"vpc": "create"}})
    manifest = json.loads(Path(assembly.directory, "manifest.json").read_text())
    assert "missing" not in manifest
    for path in Path(assembly.directory).glob("*.assets.json"):
        assert json.loads(path.read_text())["dockerImages"] == {}


def test_account_and_region_may_be_left_to_the_cli(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    content = {key: value for key, value in fine.items() if key not in {"account", "region"}}
    assembly = synthesise({**content, "network": {"vpc": "create"}})
    assert {stack.environment.region for stack in assembly.stacks} == {"unknown-region"}


def test_two_synths_are_the_same_bytes(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    def written() -> dict[str, bytes]:
        assembly = synthesise({**fine, "network": {"vpc": "create"}})
        return {path.name: path.read_bytes() for path in Path(assembly.directory).iterdir() if path.is_file()}

    assert written() == written()


def test_subnets_that_are_there_are_used_as_they_are(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    network = {
        "vpc": "existing",
        "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "security_group_ids": ["sg-0123456789abcdef0"],
    }
    templates = _templates(synthesise({**fine, "network": network}))
    kinds = {resource["Type"] for resource in templates["cdk-sglang-test-foundation"]["Resources"].values()}
    assert "AWS::EC2::VPC" not in kinds
    Template.from_json(templates["cdk-sglang-test-chat"]).has_resource_properties(
        "AWS::SageMaker::Model",
        {"VpcConfig": {"Subnets": network["subnet_ids"], "SecurityGroupIds": network["security_group_ids"]}},
    )


def test_zones_by_id_are_the_same_in_every_account(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    network = {"vpc": "create", "availability_zones": ["use1-az4", "use1-az6"]}
    resources = _templates(synthesise({**fine, "network": network}))["cdk-sglang-test-foundation"]["Resources"]
    subnets = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::EC2::Subnet"]
    assert [subnet["AvailabilityZoneId"] for subnet in subnets] == network["availability_zones"]
    assert all("AvailabilityZone" not in subnet for subnet in subnets)


@pytest.mark.parametrize(("zones", "has_note"), [(None, True), (["us-east-1a", "us-east-1b"], False)])
def test_zones_that_nobody_chose_are_told(
    synthesise: Synthesise, fine: dict[str, Any], zones: list[str] | None, has_note: bool
) -> None:
    network = {"vpc": "create", **({"availability_zones": zones} if zones else {})}
    (foundation,) = (stack for stack in synthesise({**fine, "network": network}).stacks if stack.id == "Foundation")
    notes = [message.entry.data for message in foundation.messages]
    assert any("the first two Availability Zones" in str(text) for text in notes) is has_note


def test_zones_and_range_of_a_new_vpc_are_as_asked(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    network = {"vpc": "create", "cidr": "10.9.0.0/20", "availability_zones": [f"us-east-1{z}" for z in "bcd"]}
    templates = _templates(synthesise({**fine, "network": network}))
    foundation = Template.from_json(templates["cdk-sglang-test-foundation"])
    foundation.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.9.0.0/20"})
    subnets = foundation.find_resources("AWS::EC2::Subnet").values()
    assert {subnet["Properties"]["AvailabilityZone"] for subnet in subnets} == set(network["availability_zones"])
    (model,) = Template.from_json(templates["cdk-sglang-test-chat"]).find_resources("AWS::SageMaker::Model").values()
    assert len(model["Properties"]["VpcConfig"]["Subnets"]) == 3


@pytest.mark.parametrize("days", [1, 30, 400, 3653])
def test_logs_of_network_and_models_are_kept_equally_long(
    synthesise: Synthesise, fine: dict[str, Any], days: int
) -> None:
    templates = _templates(synthesise({**fine, "network": {"vpc": "create"}, "data": {"log_retention_days": days}}))
    kept = {
        resource["Properties"]["RetentionInDays"]
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    assert kept == {days}


def test_a_hundred_components_make_one_stack_under_the_limit(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    components = {f"m{index}": {"model": {"prefix": f"weights/m{index}/"}} for index in range(100)}
    fine["endpoints"]["chat"] = {
        "capacity": {"type": "ml.g6e.48xlarge", "max_instances": 13},
        "components": components,
    }
    templates = _templates(synthesise(fine))
    resources = templates["cdk-sglang-test-chat"]["Resources"].values()
    assert sum(r["Type"] == "AWS::SageMaker::InferenceComponent" for r in resources) == 100
    assert len(resources) < 500


def test_the_table_says_who_asks_for_which_gpus(fine: dict[str, Any], root: Path) -> None:
    fine["endpoints"]["chat"]["capacity"] = {"pool": ["ml.g6e.12xlarge", "ml.g6e.24xlarge"], "max_instances": 3}
    fine["endpoints"]["chat"]["components"]["qwen"] = {
        "model": {"prefix": "w/"},
        "server": {"tp_size": 2},
        "copies": 3,
    }
    app = cdk.App(context=cdk_json_context(root / "cdk.json"))
    settings = Environment.model_validate(fine)
    fleet = add_fleet(app, name="test", settings=settings, source="test.yaml", env=cdk.Environment())
    out = io.StringIO()
    print_fleet(
        Console(file=out, width=120),
        name="test",
        endpoints=[stack.endpoint for stack in fleet.stacks],
        plan=fleet.resolved.plan,
        unplanned=fleet.resolved.unplanned,
        templates=["cdk.out/test/a.json"],
        page=Path("cdk.out/test/plan.html"),
    )
    rows = [line.split() for line in out.getvalue().splitlines() if line.strip()]
    assert ["test-chat", "llama", "1", "1", "1"] in rows
    assert ["qwen", "3", "2", "6"] in rows
    (total,) = [row for row in rows if row[0] == "all"]
    assert total[:3] == ["all", "4", "7"]
    assert total[-1] == "12"
    assert "templates: cdk.out/test/a.json" in out.getvalue()
    assert "plan as a page: cdk.out/test/plan.html" in out.getvalue()
    assert (
        "not planned, since the catalogue does not know the model (model.id): chat.llama, chat.qwen" in out.getvalue()
    )
    assert "2 of at most 3 x ml.g6e.12xlarge" in " ".join(out.getvalue().split())


def test_the_plan_shows_host_memory_and_files_of_what_the_file_asks_for(fine: dict[str, Any]) -> None:
    llama = fine["endpoints"]["chat"]["components"]["llama"]
    llama |= {
        "model": {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"},
        "server": {
            "context_length": 16384,
            "load_format": "runai_streamer",
            "lora": {"max_rank": 16, "target_modules": ["all"], "max_loaded_loras": 100},
            "hicache": {"storage_backend": "file"},
        },
        "environment": {"SGLANG_HICACHE_FILE_BACKEND_MAX_SIZE": "300G"},
    }
    settings = Environment.model_validate(fine)
    (planned,) = resolve_fleet(settings, name="test").plan.endpoints[0].components
    assert planned.host is not None
    assert planned.disk is not None
    adapters_gib = 100 * 16 * 28 * 2 * (3 * 3072 + 3072 + 2 * 1024 + 2 * 3072 + 3 * (3072 + 8192)) / 2**30
    assert planned.host.reserved_gib == 48
    assert planned.host.adapters_gib == pytest.approx(adapters_gib)
    assert planned.host.loading_gib == pytest.approx(planned.disk.weights_gb * 1e9 / 2**30, abs=1 / 1024)  # whole MiB
    assert planned.host.cache_gib == pytest.approx(int(0.8 * (48 - adapters_gib) * 2**30 / 1e9) * 1e9 / 2**30)
    assert (planned.disk.cache_gb, planned.disk.nvme_gb) == (300, 3800)
    llama["resources"] = {"cpu_cores": 4, "memory_mib": 20_480}
    (reserved,) = resolve_fleet(Environment.model_validate(fine), name="test").plan.endpoints[0].components
    assert reserved.host is not None
    assert reserved.host.reserved_gib == 20


def test_metric_filters_are_deployed_after_the_log_groups_they_read(
    synthesise: Synthesise, fine: dict[str, Any]
) -> None:
    logs = synthesise(fine).get_stack_by_name("cdk-sglang-test-observability")
    assert "Serving-chat" in [dependency.id for dependency in logs.dependencies]


def test_dashboards_may_be_left_out(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    templates = _templates(synthesise({**fine, "observability": {"dashboards": False}}))
    kinds = {resource["Type"] for template in templates.values() for resource in template["Resources"].values()}
    assert "AWS::CloudWatch::Dashboard" not in kinds


@pytest.mark.parametrize(("enrichment", "stacks"), [("none", 0), ("enabled", 0), ("enable", 1)])
def test_enrichment_of_the_account_is_a_stack_of_its_own_where_asked(
    synthesise: Synthesise, fine: dict[str, Any], enrichment: str, stacks: int
) -> None:
    assembly = synthesise({**fine, "observability": {"enrichment": enrichment}})
    named = [stack for stack in assembly.stacks if stack.stack_name == "cdk-sglang-test-enrichment"]
    assert len(named) == stacks
    notes = [str(message.entry.data) for stack in named for message in stack.messages]
    assert len([line for line in notes if "$0.50 per GB" in line]) == stacks
    shown = json.dumps(_templates(assembly)["cdk-sglang-test-dashboards"])
    assert ("OTel enrichment is off" in shown) == (enrichment == "none")


def test_an_embedding_model_is_served_and_verified_as_one(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    image = {"build": {"unpinned": "a test"}}
    qwen = {"model": {"id": "Qwen/Qwen3-Embedding-8B", "prefix": "weights/qwen/"}}
    capacity = {"type": "ml.g6e.xlarge", "max_instances": 1}
    template = _templates(
        synthesise(
            {**fine, "image": image, "endpoints": {"search": {"capacity": capacity, "components": {"qwen": qwen}}}}
        )
    )["cdk-sglang-test-search"]["Resources"].values()
    (model,) = [one["Properties"] for one in template if one["Type"] == "AWS::SageMaker::Model"]
    variables = model["PrimaryContainer"]["Environment"]
    assert (variables["SM_SGLANG_IS_EMBEDDING"], variables["CDK_SGLANG_TASK"]) == ("true", "embedding")
    (check,) = [one["Properties"]["Asked"] for one in template if one["Type"] == "Custom::CdkSglangTruth"]
    assert '"smoke":{"body":{"input":"OK"},"expect":["data.0.embedding"]' in json.dumps(check).replace("\\", "")
