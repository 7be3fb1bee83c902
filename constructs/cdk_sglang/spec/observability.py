"""What is observed of a fleet."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cdk_sglang.validation import Spec


class ShowbackSettings(Spec):
    """Who pays for what: samples of what endpoints run on, and a daily report by component, adapter and team."""

    _noun: ClassVar[str] = "showback"

    enabled: bool = False
    """Whether the fleet's costs are reported: a function looks at every endpoint every few minutes, which costs cents a day."""
    sample_minutes: int = Field(default=5, ge=1, le=15)
    """Minutes between two samples; what starts or ends between them is dated within half of that time."""
    keep_days: int = Field(default=400, ge=35, le=3653)
    """Days that reports are kept. Samples are kept for 35 days."""


class Observability(Spec):
    """What is shown of the fleet, and what account-wide settings it relies on."""

    _noun: ClassVar[str] = "observability"

    dashboards: bool = True
    """Whether CloudWatch dashboards of the fleet are made."""
    showback: ShowbackSettings = ShowbackSettings()
    """Daily costs by component, adapter and team; off by default."""
    enrichment: Literal["none", "enable", "enabled"] = "none"
    """OTel enrichment, by which CloudWatch answers PromQL over SGLang's and the GPUs' own metrics; once for an account and Region, billed by
    the gigabyte. `enable`: a stack of its own turns it on; `enabled`: the account has it already; `none`: only classic metrics are used."""
    transaction_search: Literal["none", "enable"] = "none"
    """Transaction Search, by which CloudWatch finds spans of SGLang and of callers by their attributes; once for an account and Region, billed by
    the gigabyte. `enable`: a stack of its own turns it on; `none`: the account stays as it is."""
    runbooks_url: str = "docs/runbooks"
    """Beginning of the address of every alarm's runbook page; the folder in the project's repository by default. With a site of your own:
    https://docs.example.com/runbooks."""
