"""Invented patients for the table of the reference tools: the same ones for the same number. No CDK.

None of them exists. Names are combined from lists, so that several share a family name, and some a full name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from typing import Any, Final

_GIVEN: Final = (
    "Adaeze", "Bashir", "Carmela", "Dietrich", "Eilidh", "Farouk", "Grazia", "Hanneke", "Ioannis", "Jacinta", "Kwabena", "Lieselotte",
    "Maarit", "Nikolai", "Oddny", "Pilar", "Quirin", "Rosalind", "Sibusiso", "Tamsin", "Ulrika", "Vasilis", "Wilhelmina", "Yevgenia",
)  # fmt: skip
_FAMILY: Final = (
    "Abernethy", "Baskerfield", "Castelmare", "Drosselbart", "Eisenwald", "Fennimore", "Grauenstein", "Hollowell", "Ilmarinen", "Jarnvik",
    "Kestrelby", "Lindqvister", "Mooregate", "Nightingrove", "Okonkwolde", "Pemberwick", "Quillfeather", "Ravensbourne", "Stormcrofte",
    "Thistledown",
)  # fmt: skip
_ALLERGIES: Final = ("penicillin", "latex", "peanuts", "sulfonamides", "none known")
_CONDITIONS: Final = ("hypertension", "type 2 diabetes", "asthma", "hypothyroidism", "migraine", "atrial fibrillation")
_MEDICATIONS: Final = (
    "metformin 500 mg",
    "ramipril 5 mg",
    "salbutamol inhaler",
    "levothyroxine 75 ug",
    "apixaban 5 mg",
)
_LETTERS: Final = 3
"""Letters of the family name in `name_prefix`, the partition key of the table's index."""
_FIRST_BIRTH: Final = dt.date(1931, 1, 1)
_BIRTH_DAYS: Final = 33_000
_NAMESAKES: Final = 12
"""One patient in this many has the name of the previous one, with a different date of birth."""


def synthetic_patients(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return patients as items of the table.

    Args:
        count: Number of patients.
        seed: A different number gives different patients.
    """
    patients: list[dict[str, Any]] = []
    for index in range(count):
        chance = random.Random(f"{seed}/{index}")  # noqa: S311  nothing secret: the same patients every time
        first_name, family = chance.choice(_GIVEN), chance.choice(_FAMILY)
        if index % _NAMESAKES == _NAMESAKES - 1:
            first_name, family = patients[-1]["name"].split(" ")
        born = _FIRST_BIRTH + dt.timedelta(days=chance.randrange(_BIRTH_DAYS))
        name = f"{first_name} {family}"
        patients.append(
            {
                "patient_id": f"p-{hashlib.sha256(f'{seed}/{index}'.encode()).hexdigest()[:12]}",
                "name": name,
                "name_prefix": family.lower()[:_LETTERS],
                "name_lower": name.lower(),
                "birth_date": born.isoformat(),
                "sex": chance.choice(("female", "male")),
                "allergies": [chance.choice(_ALLERGIES)],
                "conditions": sorted(chance.sample(_CONDITIONS, chance.randrange(3))),
                "medications": sorted(chance.sample(_MEDICATIONS, chance.randrange(3))),
            }
        )
    return patients
