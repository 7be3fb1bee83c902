"""What is observed of a fleet."""

from __future__ import annotations

from typing import ClassVar, Literal

from cdk_sglang.validation import Spec


class Observability(Spec):
    """What is shown of the fleet, and what account-wide settings it relies on."""

    _noun: ClassVar[str] = "observability"

    dashboards: bool = True
    """Whether CloudWatch dashboards of the fleet are made."""
    enrichment: Literal["none", "enable", "enabled"] = "none"
    """OTel enrichment, by which CloudWatch answers PromQL over SGLang's and the GPUs' own metrics; once for an account and Region, billed by
    the gigabyte. `enable`: a stack of its own turns it on; `enabled`: the account has it already; `none`: only classic metrics are used."""
    transaction_search: Literal["none", "enable"] = "none"
    """Transaction Search, by which CloudWatch finds spans of SGLang and of callers by their attributes; once for an account and Region, billed by
    the gigabyte. `enable`: a stack of its own turns it on; `none`: the account stays as it is."""
    runbooks_url: str = "docs/runbooks"
    """Beginning of the address of every alarm's runbook page; the folder in the project's repository by default. With a site of your own:
    https://docs.example.com/runbooks."""
