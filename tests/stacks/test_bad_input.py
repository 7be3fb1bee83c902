"""Mistakes in an environment: exit code 2, one line each, nothing written, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml

import app
from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context, load, parse
from cdk_sglang.environments.settings import Environment
from stacks.fleet import add_fleet

LLAMA = ("endpoints", "chat", "components", "llama")


def _with(content: dict[str, Any], *changes: tuple[tuple[str, ...], Any]) -> dict[str, Any]:
    for path, value in changes:
        place = content
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
    return content


# What is wrong, and the lines after "environments/test.yaml: ".
FAULTS: dict[str, tuple[list[tuple[tuple[str, ...], Any]], list[str]]] = {
    "unknown instance type": (
        [(("endpoints", "chat", "capacity", "type"), "ml.g6e.12xlage")],
        ["endpoints.chat.capacity.type: unknown GPU instance type 'ml.g6e.12xlage'; did you mean 'ml.g6e.12xlarge'"],
    ),
    "tp_size above the GPUs": (
        [((*LLAMA, "server"), {"tp_size": 8})],
        [
            (
                "endpoints.chat.components.llama.server: 8 GPUs asked for one copy, ml.g6e.12xlarge has 4; "
                "use 4 or fewer, or ml.g6e.48xlarge"
            )
        ],
    ),
    "adapters and cache files beyond the instance": (
        [
            ((*LLAMA, "model"), {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"}),
            ((*LLAMA, "resources"), {"cpu_cores": 4, "memory_mib": 16384}),
            (
                (*LLAMA, "server"),
                {
                    "context_length": 16384,
                    "lora": {"max_rank": 64, "target_modules": ["all"], "max_loaded_loras": 200},
                    "hicache": {
                        "size_gb": 4,
                        "storage_backend": "file",
                        "storage_extra_config": {"max_size": "4000G"},
                    },
                },
            ),
        ],
        [
            (
                "endpoints.chat.components.llama.server.lora.max_loaded_loras: 200 adapters of rank 64 take 36.2 GiB of host memory in 1 "
                "process, and the copy reserves 16384 MiB; use 88 or fewer, or raise resources.memory_mib to 37100"
            ),
            (
                "endpoints.chat.components.llama.server.hicache.storage_extra_config.max_size: 4,000 GB for each of 1 process beside 6 GB of "
                "weights are 4,006 GB, and ml.g6e.12xlarge has 3,800 GB of NVMe; use 3793G or less, or a type with more"
            ),
        ],
    ),
    "empty endpoints": (
        [(("endpoints",), {})],
        ["endpoints: {} has 0 entries; list at least 1"],
    ),
    "an endpoint without components": (
        [(("endpoints", "chat", "components"), {})],
        ["endpoints.chat.components: {} has 0 entries; list at least 1"],
    ),
    "fewest copies above the most": (
        [((*LLAMA, "scaling"), {"min_copies": 3, "max_copies": 2})],
        ["endpoints.chat.components.llama.scaling.max_copies: 2 is below min_copies 3; raise it to 3 or more"],
    ),
    "a target of zero": (
        [((*LLAMA, "scaling"), {"min_copies": 1, "max_copies": 2, "concurrency": 0})],
        ["endpoints.chat.components.llama.scaling.concurrency: 0 is not allowed; use a value > 0"],
    ),
    "two targets": (
        [((*LLAMA, "scaling"), {"min_copies": 1, "max_copies": 2, "concurrency": 2, "invocations_per_minute": 9})],
        [
            "endpoints.chat.components.llama.scaling: concurrency and invocations_per_minute are two targets; keep one",
        ],
    ),
    "a target nobody can plan": (
        [((*LLAMA, "scaling"), {"min_copies": 1, "max_copies": 2})],
        [
            (
                "endpoints.chat.components.llama.model.id: missing, and the plan that scaling.concurrency comes from needs it; give that of a "
                "catalogue model of the same architecture (cdk-sglang models list), or a number: scaling.concurrency: 16"
            )
        ],
    ),
    "unknown time zone": (
        [((*LLAMA, "scaling"), {"min_copies": 1, "max_copies": 2, "concurrency": 2, "time_zone": "Europe/Berln"})],
        [
            (
                "endpoints.chat.components.llama.scaling.time_zone: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin', "
                "as in the IANA database"
            )
        ],
    ),
    "an hour without quotes, which YAML reads as a number": (
        [(("endpoints", "chat", "nightly_stop"), {"begins": 1200, "ends": "06:00"})],
        ["endpoints.chat.nightly_stop.begins: 1200 is a number here; write it in quotes"],
    ),
    "a nightly stop that never ends": (
        [(("endpoints", "chat", "nightly_stop"), {"begins": "22:00", "ends": "22:00"})],
        [
            "endpoints.chat.nightly_stop.ends: 22:00 is when it begins, on every day, so it would never end; use another hour",
        ],
    ),
    "a schedule that never ends": (
        [
            (
                (*LLAMA, "scaling"),
                {
                    "min_copies": 1,
                    "max_copies": 2,
                    "concurrency": 2,
                    "schedules": {
                        "day": {
                            "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
                            "begins": "08:00",
                            "ends": "08:00",
                            "min_copies": 2,
                        }
                    },
                },
            )
        ],
        [
            (
                "endpoints.chat.components.llama.scaling.schedules.day.ends: 08:00 is when it begins, on every day, so it would never end; "
                "use another hour"
            )
        ],
    ),
    "a schedule in the past": (
        [
            (
                (*LLAMA, "scaling", "schedules"),
                {"launch": {"begins": "2025-01-01T08:00", "ends": "2025-01-01T09:00", "min_copies": 2}},
            ),
            ((*LLAMA, "scaling", "min_copies"), 1),
            ((*LLAMA, "scaling", "max_copies"), 2),
        ],
        [
            "endpoints.chat.components.llama.scaling.schedules.launch.ends: 2025-01-01T09:00 is in the past; remove the schedule"
        ],
    ),
    "names of Python in a file": (
        [
            ((*LLAMA, "fit_check"), {"reason": "measured"}),
            ((*LLAMA, "rollout"), {"max_batch": {"percent_value": 50}}),
        ],
        [
            "endpoints.chat.components.llama.fit_check.none: missing; it has no default",
            "endpoints.chat.components.llama.fit_check.reason: unknown key; known: none",
            "endpoints.chat.components.llama.rollout.max_batch.percent_value: unknown key; did you mean 'percent'",
        ],
    ),
    "a nightly stop over business hours": (
        [
            ((*LLAMA, "scaling"), {"min_copies": 1, "max_copies": 2, "concurrency": 2}),
            (
                (*LLAMA, "scaling", "schedules"),
                {"day": {"days": ["mon"], "begins": "08:00", "ends": "21:00", "min_copies": 2}},
            ),
            (("endpoints", "chat", "nightly_stop"), {"begins": "20:00", "ends": "06:00"}),
        ],
        [
            (
                "endpoints.chat.components.llama.scaling.schedules.nightly-stop: overlaps day (mon 20:00); give one of them other hours"
            )
        ],
    ),
    "more copies than can ever be placed": (
        [((*LLAMA, "scaling"), {"min_copies": 1, "max_copies": 5, "concurrency": 2})],
        [
            (
                "endpoints.chat.capacity.max_instances: 2 instances are needed for the maximum copies, 1 allowed; raise it to 2, or "
                "lower max_copies"
            )
        ],
    ),
    "alarms to nowhere without a reason": (
        [(("alarms",), {})],
        ["alarms: give exactly one of topic and none; got none of them"],
    ),
    "alarms to something else than a topic": (
        [(("alarms",), {"topic": "arn:aws:sns:us-east-1:111122223333:alarms.fifo"})],
        [
            (
                "alarms.topic: 'arn:aws:sns:us-east-1:111122223333:alarms.fifo' is not allowed; use create, or the ARN of an SNS topic "
                "(not a FIFO one)"
            )
        ],
    ),
    "unknown key": (
        [(("endpoints", "chat", "capacty"), {})],
        ["endpoints.chat.capacty: unknown key; did you mean 'capacity'"],
    ),
    "unknown server option": (
        [((*LLAMA, "server"), {"tp_sise": 2})],
        ["endpoints.chat.components.llama.server.tp_sise: unknown key; did you mean 'tp_size'"],
    ),
    "account that is not 12 digits": (
        [(("account",), "12345678901")],
        ["account: '12345678901' is not allowed; use 12 digits in quotes"],
    ),
    "account without quotes": (
        [(("account",), 111122223333)],
        ["account: 111122223333 is a number here; write it in quotes"],
    ),
    "region that does not exist": (
        [(("region",), "us-eats-1")],
        [
            "region: SageMaker has no endpoint in Region 'us-eats-1' (botocore 1.44.5); did you mean 'us-east-1'",
        ],
    ),
    "more GPUs asked than the instances have": (
        [((*LLAMA, "copies"), 5)],
        [
            (
                "endpoints.chat.capacity.max_instances: 2 instances are needed for all copies, 1 allowed; raise it to 2, lower "
                "copies, or use an instance with more than 4 GPUs"
            )
        ],
    ),
    "environment variable over the limit": (
        [((*LLAMA, "environment"), {"LONG": "x" * 1025})],
        [
            (
                "endpoints.chat.components.llama.environment.LONG: the value has 1025 characters, SageMaker takes 1024; "
                "put it in a file beside the model"
            )
        ],
    ),
    "a model URI that is not S3": (
        [((*LLAMA, "model"), {"s3": "https://huggingface.co/meta-llama/Llama-3.2-3B"})],
        [
            (
                "endpoints.chat.components.llama.model.s3: 'https://huggingface.co/meta-llama/Llama-3.2-3B' "
                "is not an S3 URI; use s3://bucket/prefix/"
            )
        ],
    ),
    "a model in two places": (
        [((*LLAMA, "model", "s3"), "s3://models/llama/")],
        ["endpoints.chat.components.llama.model: give exactly one of hugging_face, prefix and s3; got prefix and s3"],
    ),
    "an endpoint that is called foundation": (
        [
            (
                ("endpoints", "foundation"),
                {
                    "capacity": {"type": "ml.g6e.xlarge", "max_instances": 1},
                    "components": {"a": {"model": {"prefix": "w/"}}},
                },
            )
        ],
        ["endpoints.foundation: 'foundation' names the stack of what all endpoints share; choose another name"],
    ),
    "endpoints that are called as the stacks that show the fleet": (
        [
            (
                ("endpoints", name),
                {
                    "capacity": {"type": "ml.g6e.xlarge", "max_instances": 1},
                    "components": {"a": {"model": {"prefix": "w/"}}},
                },
            )
            for name in ("observability", "dashboards", "enrichment")
        ],
        [
            "endpoints.observability: 'observability' names the stack of what all endpoints' logs say; choose another name",
            "endpoints.dashboards: 'dashboards' names the stack of the dashboards; choose another name",
            "endpoints.enrichment: 'enrichment' names the stack of the account's OTel enrichment; choose another name",
        ],
    ),
    "two endpoints whose components get one name": (
        [
            (("endpoints", "chat", "components", "big-llama"), {"model": {"prefix": "w/"}}),
            (
                ("endpoints", "chat-big"),
                {
                    "capacity": {"type": "ml.g6e.xlarge", "max_instances": 1},
                    "components": {"llama": {"model": {"prefix": "w/"}}},
                },
            ),
        ],
        [
            (
                "endpoints.chat-big.components.llama: component name 'test-chat-big-llama' is that of "
                "endpoints.chat.components.big-llama too; rename one"
            )
        ],
    ),
    "an adapter and components of this and of another endpoint that get one name": (
        [
            ((*LLAMA, "adapters"), {"triage": {"key": "adapters/triage.tar.gz"}}),
            ((*LLAMA, "server"), {"lora": {"max_rank": 16, "target_modules": ["all"]}}),
            (
                ("image",),
                {
                    "repository": {
                        "name": "r1",
                        "digest": f"sha256:{'a' * 64}",
                        "cuda": "13.0",
                        "sglang_version": "0.5.23",
                    }
                },
            ),
            (("endpoints", "chat", "components", "llama-triage"), {"model": {"prefix": "w/"}}),
            (
                ("endpoints", "chat-llama"),
                {
                    "capacity": {"type": "ml.g6e.xlarge", "max_instances": 1},
                    "components": {"triage": {"model": {"prefix": "w/"}}},
                },
            ),
        ],
        [
            (
                "endpoints.chat.components.llama-triage: component name 'test-chat-llama-triage' is that of "
                "endpoints.chat.components.llama.adapters.triage too; rename one"
            ),
            (
                "endpoints.chat-llama.components.triage: component name 'test-chat-llama-triage' is that of "
                "endpoints.chat.components.llama.adapters.triage too; rename one"
            ),
        ],
    ),
    "prefix-aware routing with nothing to choose from": (
        [(("endpoints", "chat", "routing"), {"prefix_aware": {}})],
        [
            (
                "endpoints.chat.routing: prefix-aware routing needs 2 instances or more, max_instances is 1; "
                "raise it or use least_outstanding_requests"
            )
        ],
    ),
    "max below min": (
        [(("endpoints", "chat", "capacity", "min_instances"), 2)],
        ["endpoints.chat.capacity.max_instances: 1 is below min_instances 2; raise it to 2 or more"],
    ),
    "type and pool": (
        [(("endpoints", "chat", "capacity", "pool"), ["ml.g6e.12xlarge", "ml.g6e.24xlarge"])],
        ["endpoints.chat.capacity: give exactly one of type, pool and reserved; got type and pool"],
    ),
    "a type twice in a pool": (
        [(("endpoints", "chat", "capacity"), {"pool": ["ml.g6e.xlarge", "ml.g6e.xlarge"], "max_instances": 1})],
        ["endpoints.chat.capacity.pool: ml.g6e.xlarge is listed more than once; name each once"],
    ),
    "a retention CloudWatch does not know": (
        [(("data",), {"log_retention_days": 31})],
        [
            (
                "data.log_retention_days: 31 is not allowed; use one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, "
                "400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653"
            )
        ],
    ),
    "a network half described": (
        [(("network",), {"vpc": "existing", "cidr": "10.0.0.0/16"})],
        [
            "network.cidr: goes with vpc: create, got vpc: existing; remove it",
            "network.subnet_ids: missing; vpc: existing needs it",
            "network.security_group_ids: missing; vpc: existing needs it",
        ],
    ),
    "an address range with host bits": (
        [(("network",), {"vpc": "create", "cidr": "10.0.0.1/16"})],
        ["network.cidr: '10.0.0.1/16' is not allowed; use an IPv4 range from /16 to /24, such as 10.64.0.0/16"],
    ),
    "keys of another region": (
        [
            (
                ("endpoints", "chat", "components", "llama", "model"),
                {"s3": "s3://models/llama/", "kms_key": f"arn:aws:kms:eu-west-1:111122223333:key/{'0' * 32}"},
            )
        ],
        [
            (
                f"endpoints.chat.components.llama.model.kms_key: arn:aws:kms:eu-west-1:111122223333:key/{'0' * 32} is in eu-west-1, "
                "the environment in us-east-1; name one of us-east-1"
            )
        ],
    ),
    "zones by name and by id": (
        [(("network",), {"vpc": "create", "availability_zones": ["us-east-1a", "use1-az2"]})],
        ["network.availability_zones: has names and ids, which may be the same zones; use names or ids"],
    ),
    "zones of another region": (
        [(("network",), {"vpc": "create", "availability_zones": ["us-east-1a", "us-west-2a"]})],
        ["network.availability_zones: us-west-2a is not in region us-east-1; use zones of that Region"],
    ),
    "tags AWS keeps for itself": (
        [(("tags",), {"AWS:x": "1", "cdk-sglang:environment": "x", "a?": "b"})],
        [
            "tags.AWS:x: 'AWS:x' is not allowed; tags that begin with aws: are AWS's, cdk-sglang: this library's",
            (
                "tags.cdk-sglang:environment: 'cdk-sglang:environment' is not allowed; "
                "tags that begin with aws: are AWS's, cdk-sglang: this library's"
            ),
            "tags.a?: 'a?' is not allowed in a tag; use letters, digits, spaces and + - . / : = @ _, without '?'",
        ],
    ),
    "tags that differ by case alone": (
        [(("tags",), {"Team": "a", "team": "b"})],
        ["tags.team: differs from 'Team' only by case, which IAM refuses; keep one"],
    ),
    "a component called no": (
        [(("endpoints", "chat", "components"), {False: {"model": {"prefix": "weights/llama/"}}})],
        ["endpoints.chat.components.false: false is true or false here; write it in quotes"],
    ),
    "a key over two lines": (
        [(("a\nb",), 1)],
        [f"'a\\nb': unknown key; known: {', '.join(sorted(Environment.model_fields))}"],
    ),
    "several mistakes at once": (
        [
            (("account",), "1"),
            (("endpoints", "chat", "capacity", "type"), "ml.g6e.12xlage"),
            ((*LLAMA, "copies"), 0),
            ((*LLAMA, "server"), {"tp_sise": 2}),
        ],
        [
            "account: '1' is not allowed; use 12 digits in quotes",
            "endpoints.chat.capacity.type: unknown GPU instance type 'ml.g6e.12xlage'; did you mean 'ml.g6e.12xlarge'",
            "endpoints.chat.components.llama.server.tp_sise: unknown key; did you mean 'tp_size'",
            "endpoints.chat.components.llama.copies: 0 is not allowed; use a value >= 1",
        ],
    ),
}


FLAGS = cdk_json_context(Path(app.__file__).with_name("cdk.json"))


def _synthesise(text: str, source: str) -> None:
    settings = parse(text, source=source)
    env = cdk.Environment(account=settings.account, region=settings.region)
    add_fleet(cdk.App(context=FLAGS), name="test", settings=settings, source=source, env=env)


def _lines(content: dict[str, Any]) -> list[str]:
    """Return what settings and constructs say to an environment, without the name of the file."""
    source = "environments/test.yaml"
    with pytest.raises(ConfigurationError) as error:
        _synthesise(yaml.safe_dump(content), source)
    assert all(line.startswith(f"{source}: ") for line in error.value.problems)
    assert str(error.value).splitlines() == list(error.value.problems)
    return [line.removeprefix(f"{source}: ") for line in error.value.problems]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_a_line_with_its_place_and_the_next_step(fine: dict[str, Any], fault: str) -> None:
    changes, lines = FAULTS[fault]
    assert sorted(_lines(_with(fine, *changes))) == sorted(lines)


def test_names_are_measured_after_prefixing(fine: dict[str, Any]) -> None:
    component = {"model": {"prefix": "weights/llama/"}}
    endpoint = {**fine["endpoints"]["chat"], "components": {"b" * 30: component}}
    fine["endpoints"] = {"a" * 40: endpoint}
    physical = f"test-{'a' * 40}-{'b' * 30}"
    assert _lines(fine) == [
        (
            f"endpoints.{'a' * 40}.components.{'b' * 30}: component name {physical!r} has 76 characters, "
            "AWS allows 63; shorten it by 13"
        )
    ]


def test_a_type_that_the_region_lacks_is_refused_with_others(fine: dict[str, Any]) -> None:
    (line,) = _lines(
        _with(fine, (("region",), "ap-southeast-1"), (("endpoints", "chat", "capacity", "type"), "ml.g5.12xlarge"))
    )
    assert line.startswith("endpoints.chat.capacity: ml.g5.12xlarge is documented as not available in ap-southeast-1 (")
    assert "ml.g6.12xlarge" in line


def test_a_combination_that_sglang_rejects_names_both_options(fine: dict[str, Any]) -> None:
    (line,) = _lines(_with(fine, ((*LLAMA, "server"), {"chunked_prefill_size": 100, "page_size": 64})))
    assert line.startswith("endpoints.chat.components.llama.server.chunked_prefill_size: ")
    assert "page_size" in line


def test_an_option_the_image_does_not_have_is_refused(fine: dict[str, Any]) -> None:
    lines = _lines(_with(fine, ((*LLAMA, "server"), {"lora": {"max_rank": 8, "target_modules": ["q_proj", "k_proj"]}})))
    (line,) = [line for line in lines if "target_modules" in line]
    assert line.startswith("endpoints.chat.components.llama.server.lora.target_modules: ")
    assert "the AWS container hands over one value per flag, got 2" in line


def test_a_secret_is_never_repeated(fine: dict[str, Any]) -> None:
    lines = _lines(_with(fine, ((*LLAMA, "environment"), {"HF_TOKEN": "hf_" + "x" * 30})))
    assert "endpoints.chat.components.llama.environment.HF_TOKEN" in lines[0]
    assert "x" * 30 not in str(lines)


@pytest.mark.parametrize("name", ["Prod", "my_env", "a" * 41, "-a", "1st", "a.b"])
def test_an_environment_needs_a_name_that_aws_names_can_begin_with(fine: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        add_fleet(
            cdk.App(),
            name=name,
            settings=parse(yaml.safe_dump(fine), source="x"),
            source=f"environments/{name}.yaml",
            env=cdk.Environment(),
        )
    assert error.value.problems == (
        (
            f"environments/{name}.yaml: the file's name names the environment: {name!r} is not allowed; "
            "use up to 40 lower-case letters, digits and single hyphens, starting with a letter"
        ),
    )


def test_the_app_says_every_line_on_stderr_and_writes_nothing(
    run_app: Callable[..., Any], fine: dict[str, Any]
) -> None:
    run = run_app(_with(fine, ((*LLAMA, "copies"), 5), (("endpoints", "chat", "routing"), {"prefix_aware": {}})))
    assert (run.code, run.out, run.written) == (2, "", [])
    assert run.err.splitlines() == [
        (
            "environments/test.yaml: endpoints.chat.routing: prefix-aware routing needs 2 instances or more, "
            "max_instances is 1; raise it or use least_outstanding_requests"
        ),
        (
            "environments/test.yaml: endpoints.chat.capacity.max_instances: 2 instances are needed for all copies, 1 allowed; raise it "
            "to 2, lower copies, or use an instance with more than 4 GPUs"
        ),
    ]


def test_the_app_lists_the_environments_that_exist(run_app: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    for name in ("prod.yaml", "dev.yaml", "schema.json"):
        (tmp_path / "environments" / name).touch()
    run = run_app(None, name="prd")
    assert (run.code, run.out) == (2, "")
    assert run.err == "environments/prd.yaml: no such file; environments in environments: dev, prod\n"


def test_the_app_reports_a_file_that_is_not_text(run_app: Callable[..., Any]) -> None:
    run = run_app(b"\xff\xfe\x00")
    assert (run.code, run.out, run.written) == (2, "", [])
    assert run.err.startswith(
        "environments/test.yaml: line 1 holds the byte 0xff, which is not UTF-8 text; save the file as UTF-8"
    )
    assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize("fault", ["unknown key", "tp_size above the GPUs", "a network half described"])
def test_main_returns_2_and_prints_one_line_per_problem(
    fine: dict[str, Any],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes, lines = FAULTS[fault]
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "test.yaml").write_text(yaml.safe_dump(_with(fine, *changes)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "cdk_json_context", lambda: {**FLAGS, "env": "test"})
    assert app.main() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [f"environments/test.yaml: {line}" for line in lines]


def test_a_missing_folder_has_no_environments(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        load("prod", folder=tmp_path / "none")
    assert error.value.problems == (
        f"{tmp_path / 'none' / 'prod.yaml'}: no such file; there is no folder {tmp_path / 'none'}; correct the path, or make one: cdk-sglang init --environments {tmp_path / 'none'}",
    )
