"""`cdk-sglang prices`: show prices with their dates; refresh them from AWS's public price list (no credentials)."""

from __future__ import annotations

import csv
import datetime as dt
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import MAX_AGE_DAYS, GpuInstance, price_usd_per_hour, read_prices
from cdk_sglang.hardware.prices import PRICE_COLUMNS

app = typer.Typer(help="Prices of SageMaker hosting, dated.", no_args_is_help=True)

PRICE_LIST = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonSageMaker/current"
TIMEOUT_SECONDS = 120
_REGION_OPTION = typer.Option("--region", help="Region; repeat it.")


@app.command("show")
def show(
    region: Annotated[str, typer.Option(help="Region.")] = "us-east-1",
    prices: Annotated[Path | None, typer.Option(help="A file written by `prices update`.")] = None,
) -> None:
    """Print the hourly price of every GPU instance type with its date; estimates are marked."""
    table = Table("instance", "GPUs", "$/hour", "$/GPU-hour", "date", "kind")
    known = read_prices(prices) if prices else None
    today = dt.datetime.now(tz=dt.UTC).date()
    for instance in GpuInstance.all():
        price = price_usd_per_hour(instance, region, table=known)
        gpus = f"{instance.gpu_count} x {instance.gpu.product}"
        if price is None:
            table.add_row(instance.name, gpus, "unknown", "", "", "")
            continue
        kind = f"estimate: {price.kind} {price.region}" if price.is_estimate else price.kind
        old = f" (older than {MAX_AGE_DAYS} days)" if price.age_days(today) > MAX_AGE_DAYS else ""
        per_gpu = price.usd_per_hour / instance.gpu_count
        table.add_row(instance.name, gpus, f"{price.usd_per_hour:.4f}", f"{per_gpu:.4f}", f"{price.date}{old}", kind)
    stdout().print(table)


@app.command("update")
def update(
    into: Annotated[Path, typer.Option("--into", help="File to write.")] = Path("prices.csv"),
    region: Annotated[list[str] | None, _REGION_OPTION] = None,
    source: Annotated[str, typer.Option(help="Address of the price list.")] = PRICE_LIST,
) -> None:
    """Fetch hosting prices from the public price list and write them as a table for --prices."""
    rows: list[dict[str, str]] = []
    problems: list[str] = []
    for name in region or ["us-east-1"]:
        url = f"{source.rstrip('/')}/{name}/index.json"
        try:
            rows += hosting_prices(_fetch(url), name, url)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    with into.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, PRICE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["instance"], row["region"])))
    typer.echo(f"{into}: {len(rows)} prices")


def hosting_prices(offer: dict[str, Any], region: str, url: str) -> list[dict[str, str]]:
    """Return the on-demand hosting price of each known GPU type in a price-list file.

    Hosting's usage types end in `Host:ml.<type>`; a price is the hourly dimension of the type's on-demand term.
    """
    known = {instance.name for instance in GpuInstance.all()}
    published = str(offer.get("publicationDate", ""))[:10]
    try:
        date = dt.date.fromisoformat(published).isoformat()
    except ValueError as error:
        raise ConfigurationError([f"{url}: no publicationDate; this is not a price-list file"]) from error
    terms = (offer.get("terms") or {}).get("OnDemand") or {}
    rows = []
    for sku, product in (offer.get("products") or {}).items():
        usage = str((product.get("attributes") or {}).get("usagetype", ""))
        head, _, name = usage.rpartition("Host:")
        if name not in known or (head and not head.endswith("-")):
            continue
        for term in (terms.get(sku) or {}).values():
            for dimension in (term.get("priceDimensions") or {}).values():
                usd = str((dimension.get("pricePerUnit") or {}).get("USD", ""))
                if usd and float(usd) > 0 and str(dimension.get("unit", "")).lower().startswith("h"):
                    rows.append(
                        dict(
                            zip(
                                PRICE_COLUMNS,
                                (name, region, f"{float(usd):g}", date, "on-demand hosting", "no", f"{url} {usage}"),
                                strict=True,
                            )
                        )
                    )
    if not rows:
        raise ConfigurationError([f"{url}: no hosting price of a known GPU type; is the Region right?"])
    return rows


def _fetch(url: str) -> dict[str, Any]:
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError([f"{url}: the price list's address must start with https://"])
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 # scheme checked above
            content = json.load(reply)
    except urllib.error.HTTPError as error:
        error.close()  # it is also the reply, and keeps its socket
        raise ConfigurationError([f"{url}: {error}; check the Region"]) from error
    except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
        raise ConfigurationError([f"{url}: {error}; check the Region and the network"]) from error
    if not isinstance(content, dict):
        raise ConfigurationError([f"{url}: not a price-list file"])
    return content
