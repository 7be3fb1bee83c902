"""An environment, synthesised in this process once for each content, and what `cdk-sglang diff` says between two of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import yaml

from cdk_sglang.cli.assembly import read_assembly
from cdk_sglang.cli.diff.folders import report_of
from cdk_sglang.cli.diff.report import DiffReport, Item
from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.fleet import add_fleet
from stacks.report import write_plan

Settings = dict[str, Any]
Edit = Callable[[Settings], object]

BASE = yaml.safe_load("""
account: "111122223333"
region: us-east-1
network: {vpc: create}
image: {dlc: 0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker}
endpoints:
  chat:
    capacity: {pool: [ml.g6e.12xlarge, ml.g6e.24xlarge], min_instances: 2, max_instances: 3}
    rollout: {strategy: rolling, percent: 50, wait_seconds: 300, alarms: {no_capacity: null}}
    image: {build: {unpinned: a first try}}
    components:
      llama:
        model: {id: meta-llama/Llama-3.2-3B-Instruct, prefix: weights/llama/}
        server: {context_length: 16384, lora: {max_rank: 16, target_modules: [all]}}
        adapters: {triage: {key: adapters/triage-v3.tar.gz}}
        rollout: {max_batch: {percent: 25}, wait_seconds: 300, alarms: {server_errors: 5, no_capacity: null}}
        scaling:
          min_copies: 2
          max_copies: 6
          time_zone: Europe/Berlin
          schedules: {office: {days: [mon, tue], begins: "07:30", ends: "19:00", min_copies: 3}}
      gpt-oss:
        model: {id: openai/gpt-oss-20b, prefix: weights/openai/gpt-oss-20b/}
        server: {context_length: 32768}
  small:
    capacity: {type: ml.g6e.2xlarge, max_instances: 1}
    components:
      qwen:
        model: {id: Qwen/Qwen3-8B, prefix: weights/Qwen/Qwen3-8B/}
        server: {context_length: 8192}
""")


class Environments:
    """Synthesises environments, each content once."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._assemblies: dict[str, Path] = {}

    def assembly(self, edit: Edit | None = None) -> Path:
        """Return the folder of the assembly of the edited environment."""
        settings = copy.deepcopy(BASE)
        if edit is not None:
            edit(settings)
        return self.assembly_of(settings)

    def assembly_of(self, settings: Settings) -> Path:
        """Return the folder of the assembly of some settings."""
        key = json.dumps(settings, sort_keys=True)
        if key not in self._assemblies:
            self._assemblies[key] = self._synth(settings, self._folder / f"assembly-{len(self._assemblies)}")
        return self._assemblies[key]

    def _synth(self, settings: Settings, folder: Path) -> Path:
        environment = check(settings, source="prod.yaml")
        app = cdk.App(context=cdk_json_context(self._root / "cdk.json"), outdir=str(folder), analytics_reporting=False)
        place = cdk.Environment(account=environment.account, region=environment.region)
        fleet = add_fleet(app, name="prod", settings=environment, source="prod.yaml", env=place)
        app.synth()
        write_plan(folder, request=fleet.resolved.request, plan=fleet.resolved.plan)
        return folder

    def report(self, edit: Edit | None, *, before: Edit | None = None) -> DiffReport:
        """Return what the command says from the base, or another version, to the edited environment."""
        return report_of("prod", self.assembly(edit), before=self.assembly(before))

    def edited(self, change: Callable[[dict[str, dict[str, Any]]], object], folder: Path) -> Path:
        """Return a copy of the base's assembly whose templates, by stack, were changed by hand."""
        source = self.assembly()
        folder.mkdir()
        for name in ("manifest.json", "plan.json", *(path.name for path in source.glob("*.template.json"))):
            (folder / name).write_bytes((source / name).read_bytes())
        templates = {stack.id: dict(stack.template) for stack in read_assembly(source)}
        change(templates)
        for name, template in templates.items():
            (folder / f"{name}.template.json").write_text(json.dumps(template))
        return folder


def by_name(report: DiffReport) -> dict[str, Item]:
    """Items by name."""
    return {item.name: item for item in report.items}


def effects(report: DiffReport) -> dict[str, str]:
    """What happens to the parts that are not left alone."""
    return {item.name: item.effect.value for item in report.items if item.effect != "untouched"}
