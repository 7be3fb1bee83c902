"""Same Region, same account: what names another place than its stack's is refused, or reads and writes elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cdk_sglang.hardware.regions import dlc_account
from tools.check.graph import Environment, Graph, dotted, leaves
from tools.check.template_text import UNKNOWN, text_of

_REGION: Final = re.compile(r"(?<![a-z0-9])(?:af|ap|ca|eu|il|me|mx|sa|us)(?:-gov)?-[a-z]+-\d(?!\w)")
_ACCOUNT: Final = re.compile(r"(?:(?<=:)|(?<=^)|(?<=-))\d{12}(?=$|[:.\-])")

TEXTS: Final = ("Description", "AlarmDescription", "DashboardBody", "GroupDescription", "Tags")
"""Properties that people read: a Region there is no address."""


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each Region and account that is not the stack's.

    Values of AWS's own accounts, such as the registry of its images, are allowed where the Region is the stack's.
    """
    if environment.region.startswith("unknown"):
        return
    accounts = {environment.account, dlc_account(environment.region)}
    for name, resource in graph.resources.items():
        for path, value in leaves(resource.get("Properties", {})):
            if any(part in TEXTS for part in path):
                continue
            text = text_of(value).replace(UNKNOWN, "") if isinstance(value, (str, Mapping)) else ""
            for region in sorted(set(_REGION.findall(text)) - {environment.region}):
                yield f"{name}.{dotted(path)}", f"names the Region {region}, and the stack is in {environment.region}"
            for account in sorted(set(_ACCOUNT.findall(text)) - accounts) if environment.account else ():
                yield (
                    f"{name}.{dotted(path)}",
                    f"names the account {account}, and the stack is in {environment.account}",
                )
