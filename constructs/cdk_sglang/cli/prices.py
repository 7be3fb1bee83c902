"""`cdk-sglang prices`: show prices with their dates; refresh them from AWS's public price list (no credentials)."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import PRICES_FILE, own_prices, write_text
from cdk_sglang.cli.tables import fitting_table, print_table
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import MAX_AGE_DAYS, GpuInstance, price_usd_per_hour, read_prices
from cdk_sglang.hardware.prices import PRICE_COLUMNS

_LAYOUTS: Final = (
    ("instance", "of GPUs", "$/hour", "$/GPU-hour", "date", "kind", "from"),
    ("instance", "of GPUs", "$/hour", "$/GPU-hour", "date", "kind"),
    ("instance", "of GPUs", "$/hour", "$/GPU-hour", "date"),
    ("instance", "$/hour", "$/GPU-hour", "date"),
    ("instance", "$/hour", "date"),
)
"""Headings of the list, for terminals of less and less room."""
_OLD: Final = " *"
"""Marks a price that is old."""

app = typer.Typer(help="Dated prices of SageMaker hosting.", no_args_is_help=True)

PRICE_LIST = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonSageMaker/current"
TIMEOUT_SECONDS = 120
_REGION_OPTION = typer.Option("--region", help="Region; repeat the option for several.")


@app.command("show")
def show(
    region: Annotated[str, typer.Option(help="Region.")] = "us-east-1",
    prices: Annotated[Path | None, typer.Option(help="A file written by `prices update`.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Print every column, even on a narrow terminal.")] = False,
) -> None:
    """Print the hourly price of every GPU instance type with its date; estimates are marked."""
    rows, console = [], stdout()
    own, has_old = own_prices(prices), False
    today = dt.datetime.now(tz=dt.UTC).date()
    for instance in GpuInstance.all():
        price = price_usd_per_hour(instance, region, table=own)
        gpus = f"{instance.gpu_count} x {instance.gpu.product}"
        if price is None:
            rows.append(_row(instance.name, gpus, "unknown", "", "", "", ""))
            continue
        kind = f"estimate: {price.kind} {price.region}" if price.is_estimate else price.kind
        is_old = price.age_days(today) > MAX_AGE_DAYS
        has_old = has_old or is_old
        old = _OLD if is_old else ""
        per_gpu = price.usd_per_hour / instance.gpu_count
        usd = f"{price.usd_per_hour:.4f}"
        rows.append(
            _row(instance.name, gpus, usd, f"{per_gpu:.4f}", f"{price.date}{old}", kind, str(price.file or "package"))
        )
    print_table(console, fitting_table(console, rows, _LAYOUTS, wide=wide), wide=wide)
    if has_old:
        console.print(
            f"{_OLD.strip()} older than {MAX_AGE_DAYS} days; refresh them with: cdk-sglang prices update --region {region}",
            highlight=False,
            soft_wrap=True,
        )


def _row(*cells: str) -> dict[str, str]:
    return dict(zip(_LAYOUTS[0], cells, strict=True))


@app.command("update")
def update(
    into: Annotated[Path, typer.Option("--into", help="File to write.")] = PRICES_FILE,
    region: Annotated[list[str] | None, _REGION_OPTION] = None,
    source: Annotated[str, typer.Option(help="Address of the price list.")] = PRICE_LIST,
) -> None:
    """Fetch hosting prices from the public price list and save them next to your environments; prices of other Regions stay."""
    rows: list[dict[str, str]] = []
    problems: list[Problem] = []
    for name in region or ["us-east-1"]:
        url = f"{source.rstrip('/')}/{name}/index.json"
        try:
            rows += hosting_prices(_fetch(url), name, url)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    other_regions = [row for row in _rows_of(into) if row["region"] not in {new["region"] for new in rows}]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, PRICE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted([*other_regions, *rows], key=lambda row: (row["instance"], row["region"])))
    write_text(into, text.getvalue())
    typer.echo(
        f"{into}: {len(rows)} prices"
        + (f", and {len(other_regions)} of other Regions unchanged" if other_regions else "")
    )


def _rows_of(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    return [
        dict(
            zip(
                PRICE_COLUMNS,
                (
                    name,
                    region,
                    f"{price.usd_per_hour:g}",
                    price.date.isoformat(),
                    price.kind,
                    "yes" if price.is_estimate else "no",
                    price.source,
                ),
                strict=True,
            )
        )
        for (name, region), price in read_prices(file).items()
    ]


def hosting_prices(offer: dict[str, Any], region: str, url: str) -> list[dict[str, str]]:
    """Return the on-demand hosting price of each known GPU type in a price-list file.

    Usage types of hosting end in `Host:ml.<type>`; the price is the hourly dimension of the type's on-demand term.
    """
    type_names = {instance.name for instance in GpuInstance.all()}
    publication_date = str(offer.get("publicationDate", ""))[:10]
    try:
        date = dt.date.fromisoformat(publication_date).isoformat()
    except ValueError as error:
        raise ConfigurationError([Problem(url, "no publicationDate; this is not a price-list file")]) from error
    terms = (offer.get("terms") or {}).get("OnDemand") or {}
    rows = []
    for sku, product in (offer.get("products") or {}).items():
        usage = str((product.get("attributes") or {}).get("usagetype", ""))
        head, _, name = usage.rpartition("Host:")
        if name not in type_names or (head and not head.endswith("-")):
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
        raise ConfigurationError([Problem(url, "no hosting price of a known GPU type; is the Region right?")])
    return rows


def _fetch(url: str) -> dict[str, Any]:
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError([Problem(url, "the price list's address must start with https://")])
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as reply:
            content = json.load(reply)
    except urllib.error.HTTPError as error:
        error.close()  # the error is also the reply, and keeps its socket
        raise ConfigurationError([Problem(url, f"{error}; check the Region")]) from error
    except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
        raise ConfigurationError([Problem(url, f"{error}; check the Region and the network")]) from error
    if not isinstance(content, dict):
        raise ConfigurationError([Problem(url, "not a price-list file")])
    return content
