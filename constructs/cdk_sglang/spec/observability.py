"""What is monitored and reported for a fleet."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cdk_sglang.validation import Spec


class ShowbackSettings(Spec):
    """Cost attribution: samples of the capacity that endpoints use, and a daily report by component, adapter and team."""

    _noun: ClassVar[str] = "showback"

    enabled: bool = False
    """Whether the fleet's costs are reported. A Lambda function samples every endpoint every few minutes, which costs cents a day."""
    sample_minutes: int = Field(default=5, ge=1, le=15)
    """Minutes between two samples. Starts and ends between two samples are dated to within half of that interval."""
    keep_days: int = Field(default=400, ge=35, le=3653)
    """Days that reports are kept. Samples are kept for 35 days."""


class Observability(Spec):
    """Dashboards and reports of the fleet, and the account-wide settings they rely on."""

    _noun: ClassVar[str] = "observability"

    dashboards: bool = True
    """Whether CloudWatch dashboards of the fleet are created."""
    showback: ShowbackSettings = ShowbackSettings()
    """Daily costs by component, adapter and team; off by default."""
    enrichment: Literal["none", "enable", "enabled"] = "none"
    """OTel enrichment, which lets CloudWatch answer PromQL queries over SGLang and GPU metrics. It is set once per account and Region and billed per
    gigabyte. `enable`: a separate stack turns it on; `enabled`: it is already on in the account; `none`: only classic metrics are used."""
    transaction_search: Literal["none", "enable"] = "none"
    """Transaction Search, which lets CloudWatch search the spans of SGLang and of callers by attribute. It is set once per account and Region and
    billed per gigabyte. `enable`: a separate stack turns it on; `none`: the account is left unchanged."""
    runbooks_url: str = "docs/runbooks"
    """Base URL of the runbook pages that alarms link to, for example https://docs.example.com/runbooks; by default the folder in the project's
    repository."""
