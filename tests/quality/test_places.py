from __future__ import annotations

import csv

from quality.contract import SEEDS
from quality.places import ward_outlines


def test_the_outlines_are_those_of_the_wards_in_force() -> None:
    with (SEEDS / "wards.csv").open(encoding="utf-8", newline="") as lines:
        in_force = sorted(row["code"] for row in csv.DictReader(lines))
    assert [feature["id"] for feature in ward_outlines()] == in_force
