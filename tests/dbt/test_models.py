"""The models: that every one says what a row is, and that contracts and models match."""

from __future__ import annotations

from pathlib import Path

import pytest

from quality.contract import CITY, load_all

PROJECT = Path(__file__).parents[2] / "dbt"
MODELS = sorted((PROJECT / "models").rglob("*.sql"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_the_first_line_of_a_model_is_its_grain(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("-- grain: one row per ")


def test_every_city_contract_has_a_model_and_every_city_model_a_contract() -> None:
    contracts = {f"city__{contract.name}" for contract in load_all().values() if contract.schema == CITY}
    assert contracts == {path.stem for path in MODELS if path.parent.name == "city"}
