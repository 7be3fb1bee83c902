"""Models and prices of the user's own, in files beside the environments."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import cdk_json_context, check, load
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning import FleetPlan
from cdk_sglang.planning.own import Own, read_own
from cdk_sglang.planning.presentation import origins
from stacks.fleet import add_fleet

RunApp = Callable[..., Any]
CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
HEADER = "instance,region,usd_per_hour,date,kind,is_estimate,source\n"
ROW = "ml.g6e.2xlarge,us-east-1,3.5,2026-11-01,on-demand hosting,no,price list\n"


def add_model(folder: Path, *, model: str = "me/llama", **changes: Any) -> Path:
    """What `cdk-sglang models add` writes."""
    target = folder / "models" / f"{model.replace('/', '--')}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    entry = {"id": model, "config": CONFIG | changes, "source": "config.json", "date": "2026-11-29"}
    target.write_text(json.dumps(entry), encoding="utf-8")
    return target


@pytest.fixture
def mine(fine: dict[str, Any]) -> dict[str, Any]:
    """An environment with a model that the catalogue does not know, on one GPU."""
    fine["endpoints"]["chat"] = {
        "capacity": {"type": "ml.g6e.2xlarge", "max_instances": 1},
        "components": {
            "own": {"model": {"id": "me/llama", "prefix": "weights/me/"}, "server": {"context_length": 16384}}
        },
    }
    return fine


def planned(tmp_path: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((tmp_path / "cdk.out" / "plan.json").read_text(encoding="utf-8"))
    return plan


def test_a_model_that_was_added_is_planned_and_without_it_the_error_says_how_to_add_it(
    run_app: RunApp, mine: dict[str, Any], tmp_path: Path
) -> None:
    refused = run_app(mine)
    assert refused.code == 2
    assert "endpoints.chat.components.own.model.id: unknown model 'me/llama'" in refused.err
    assert refused.err.rstrip().endswith("or add it with: cdk-sglang models add me/llama")
    assert len(refused.err.splitlines()) == 1
    add_model(tmp_path / "environments")
    done = run_app(mine)
    assert (done.code, done.err) == (0, "")
    (endpoint,) = planned(tmp_path)["endpoints"]
    (component,) = endpoint["components"]
    assert component["memory"]["weights_gib"] == pytest.approx(15, abs=0.1)
    assert component["facts_file"] == "environments/models/me--llama.json"
    assert (component["facts_source"], component["facts_date"]) == ("config.json", "2026-11-29")
    assert endpoint["usd_per_hour"]["high"] == 2.8026
    page = (tmp_path / "cdk.out" / "plan.html").read_text(encoding="utf-8")
    assert "from environments/models/me--llama.json: me/llama, read from config.json on 2026-11-29" in page


def test_a_model_that_was_added_is_held_to_the_gpu(mine: dict[str, Any], tmp_path: Path) -> None:
    add_model(tmp_path, num_hidden_layers=160)
    plan = resolve_fleet(check(mine, source="test.yaml"), name="test", own=read_own(tmp_path)).plan
    (problem,) = plan.problems
    assert "me/llama with context_length 16384 does not fit 1 x L40S of ml.g6e.2xlarge" in problem


def test_models_and_prices_come_from_the_folder_of_the_environments(
    run_app: RunApp, mine: dict[str, Any], tmp_path: Path
) -> None:
    add_model(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "prices.csv").write_text(HEADER + ROW, encoding="utf-8")
    (tmp_path / "elsewhere" / "test.yaml").write_text(json.dumps(mine), encoding="utf-8")
    assert run_app(mine).code == 2  # nothing of it is in the folder of that name
    assert run_app(None, context={"environments": "elsewhere"}).code == 0
    (endpoint,) = planned(tmp_path)["endpoints"]
    assert endpoint["components"][0]["facts_file"] == "elsewhere/models/me--llama.json"
    assert endpoint["types"][0]["price"]["file"] == "elsewhere/prices.csv"


def test_a_price_of_the_users_decides_cost_and_budget_and_the_plan_says_so(
    mine: dict[str, Any], tmp_path: Path
) -> None:
    add_model(tmp_path)
    mine["budget_usd_per_hour"] = 3

    def plan() -> FleetPlan:
        return resolve_fleet(check(mine, source="test.yaml"), name="test", own=read_own(tmp_path)).plan

    assert plan().problems == ()  # 2.80 as packaged
    (tmp_path / "prices.csv").write_text(HEADER + ROW, encoding="utf-8")
    (problem,) = plan().problems
    assert problem.startswith("budget_usd_per_hour: the fleet costs up to 3.50 USD per hour (chat 3.50), 3.00 allowed")
    price = plan().endpoints[0].types[0].price
    assert price is not None
    assert (price.usd_per_hour, price.date.isoformat(), price.source) == (3.5, "2026-11-01", "price list")
    assert origins(plan())[0] == (
        f"price of ml.g6e.2xlarge: 3.50 $/h, on-demand hosting in us-east-1 of 2026-11-01, from {tmp_path}/prices.csv"
    )


def test_a_file_that_contradicts_the_catalogue_counts_and_is_named(mine: dict[str, Any], tmp_path: Path) -> None:
    llama = "meta-llama/Llama-3.1-8B-Instruct"
    mine["endpoints"]["chat"]["components"]["own"]["model"]["id"] = llama
    file = add_model(tmp_path, model=llama, max_position_embeddings=20000)
    plan = resolve_fleet(check(mine, source="test.yaml"), name="test", own=read_own(tmp_path)).plan
    assert plan.problems == ()
    (warning,) = [line for line in plan.warnings if "catalogue" in line]
    assert warning == (
        f"endpoints.chat.components.own.model.id: {file} says otherwise of {llama} than the package's catalogue "
        "(max_position_embeddings 20000, not 131072); the file counts, remove it to take the catalogue's"
    )
    assert plan.endpoints[0].components[0].facts_file == str(file)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("models/a.json", "{", "models/a.json: cannot read the model's facts: Expecting"),
        (
            "models/a.json",
            "[1]",
            "models/a.json: not a model's facts but a int; write it with: cdk-sglang models add",
        ),
        ("models/a.json", '{"id": 1}', "models/a.json: id: not the model's id, such as me/llama"),
        (
            "models/a.json",
            json.dumps({"id": "a", "config": {**CONFIG, "hidden_size": "wide"}}),
            "models/a.json: a: hidden_size is 'wide'; a number of 0 or more is needed",
        ),
        (
            "models/a.json",
            json.dumps({"id": "a", "config": CONFIG, "date": 5}),
            "models/a.json: date: 5 is not text",
        ),
        ("prices.csv", "a,b\n", "prices.csv: columns instance, region, usd_per_hour"),
        (
            "prices.csv",
            HEADER + ROW.replace("3.5", "free"),
            "prices.csv: line 2: usd_per_hour: 'free' is not allowed; write a number above 0, such as 13.12",
        ),
    ],
)
def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path, path: str, text: str, message: str) -> None:
    broken = tmp_path / path
    broken.parent.mkdir(exist_ok=True)
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        read_own(tmp_path)
    assert error.value.problems[0].startswith(f"{tmp_path}/{message}")


def test_a_broken_file_stops_the_app_without_a_traceback(run_app: RunApp, fine: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "environments" / "models" / "a.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{", encoding="utf-8")
    refused = run_app(fine)
    assert refused.code == 2
    assert refused.err.startswith("environments/models/a.json: cannot read the model's facts: Expecting")
    assert "Traceback" not in refused.err
    assert refused.written == []


def test_every_broken_file_is_named_at_once(tmp_path: Path) -> None:
    add_model(tmp_path)
    (tmp_path / "models" / "again.json").write_text((tmp_path / "models" / "me--llama.json").read_text())
    (tmp_path / "models" / "b.json").write_text("")
    (tmp_path / "prices.csv").write_text("")
    with pytest.raises(ConfigurationError) as error:
        read_own(tmp_path)
    files = [problem.split(":")[0].removeprefix(f"{tmp_path}/") for problem in error.value.problems]
    assert files == ["models/b.json", "models/me--llama.json", "prices.csv"]
    assert f"me/llama stands in {tmp_path}/models/again.json too; remove one of them" in error.value.problems[1]


def test_a_folder_without_such_files_adds_nothing(tmp_path: Path) -> None:
    assert read_own(tmp_path) == Own()


def test_one_app_sees_nothing_of_anothers_models(mine: dict[str, Any], tmp_path: Path, root: Path) -> None:
    add_model(tmp_path)
    settings = check(mine, source="test.yaml")

    def synthesise(own: Own) -> None:
        app = cdk.App(context=cdk_json_context(root / "cdk.json"))
        add_fleet(app, name="test", settings=settings, source="test.yaml", env=cdk.Environment(), own=own)

    synthesise(read_own(tmp_path))
    with pytest.raises(ConfigurationError, match="unknown model 'me/llama'"):
        synthesise(Own())


def test_the_constructs_plan_with_the_users_model_too(mine: dict[str, Any], tmp_path: Path, root: Path) -> None:
    add_model(tmp_path)
    mine["endpoints"]["chat"]["capacity"] = {"pool": ["ml.g6e.12xlarge", "ml.g6.12xlarge"], "max_instances": 1}
    own_model = mine["endpoints"]["chat"]["components"]["own"]
    own_model |= {"server": {"context_length": 100_000}, "scaling": {"min_copies": 1, "max_copies": 2}}
    app = cdk.App(context=cdk_json_context(root / "cdk.json"))
    settings, own = check(mine, source="test.yaml"), read_own(tmp_path)
    fleet = add_fleet(app, name="test", settings=settings, source="test.yaml", env=cdk.Environment(), own=own)
    (stack,) = fleet.stacks
    component = stack.endpoint.components["own"]
    (planned_component,) = resolve_fleet(settings, name="test", own=own).request.endpoints[0].components
    # 15 GiB of weights and 100,000 tokens of 128 KiB: one GPU of 44 GiB, two of 22.
    assert component.gpus_by_type == {"ml.g6e.12xlarge": 1, "ml.g6.12xlarge": 2}
    assert planned_component.tp_size_by_type == component.gpus_by_type


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_the_environments_of_this_repository_need_no_files_of_their_own(root: Path, name: str) -> None:
    assert load(name, folder=root / "environments")
    assert read_own(root / "environments") == Own()
