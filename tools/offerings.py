"""Write which GPU types EC2 offers in which Region: `python -m tools.offerings`.

AWS publishes no list of SageMaker's types by Region, but what EC2 does not offer, SageMaker cannot run. moto carries the answers of EC2's
`DescribeInstanceTypeOfferings` for the Regions that are on by default or were opted into.
"""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Final

import moto.ec2

from cdk_sglang.hardware import GpuInstance, regions

FILE: Final = Path(regions.__file__).parent / "data" / "ec2_offerings.csv"
_ANSWERS: Final = Path(moto.ec2.__file__).parent / "resources" / "instance_type_offerings" / "region"


def rows() -> list[dict[str, str]]:
    """Return a row for each Region: its GPU types that EC2 offers there, separated by spaces."""
    source = f"ec2:DescribeInstanceTypeOfferings as recorded in moto {importlib.metadata.version('moto')}"
    found = []
    for file in sorted(_ANSWERS.glob("*.json.gz")):
        offered = {one["InstanceType"] for one in json.loads(gzip.decompress(file.read_bytes()))}
        there = [one.name for one in GpuInstance.all() if one.name.removeprefix("ml.") in offered]
        found.append({"region": file.name.removesuffix(".json.gz"), "types": " ".join(there), "source": source})
    return found


def main() -> int:
    """Write the table."""
    table = rows()
    with FILE.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
