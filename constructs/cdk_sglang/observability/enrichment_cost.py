"""What OTel enrichment costs. No CDK."""

from __future__ import annotations

from typing import Final

ENRICHMENT_USD_PER_GB: Final = 0.5
INGESTION_USD_PER_GB: Final = 0.5
"""Prices of us-east-1 (https://aws.amazon.com/cloudwatch/pricing/, read 2026-11)."""
COST: Final = (
    f"${ENRICHMENT_USD_PER_GB:.2f} per GB enriched and ${INGESTION_USD_PER_GB:.2f} per GB ingested (us-east-1, read 2026-11); how many GB a GPU "
    "or a copy publishes is documented nowhere, so look at the bill of the first day"
)
"""What enrichment costs, for messages."""
