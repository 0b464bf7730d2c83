"""What dbt reads of the contracts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from quality.contract import load_all
from quality.render import GENERATED, StaleModels, refuse_stale, render, stale


def test_the_generated_files_are_fresh() -> None:
    assert stale(render(load_all()), GENERATED) == []


def test_a_city_table_becomes_a_model_with_its_key_tested() -> None:
    text = render(load_all())["city__wards.yml"]
    assert text.startswith("# Generated from quality/contracts/city/wards.yml by `python -m quality.render`")
    (model,) = yaml.safe_load(text)["models"]
    assert model["name"] == "city__wards"
    assert model["config"]["alias"] == "wards"
    assert model["data_tests"] == [{"unique_together": {"arguments": {"columns": ["ward_code", "valid_from"]}}}]
    assert {"name": "valid_to", "description": "Last day; empty while in force", "data_type": "date"} in model[
        "columns"
    ]


def test_a_departments_table_becomes_a_source() -> None:
    (source,) = yaml.safe_load(render(load_all())["health__disease_cases.yml"])["sources"]
    assert source["name"] == "raw_health"
    assert [table["name"] for table in source["tables"]] == ["disease_cases"]


def test_rendering_twice_gives_the_same_text() -> None:
    assert render(load_all()) == render(load_all())


def test_changed_missing_and_left_over_files_are_stale(tmp_path: Path) -> None:
    (tmp_path / "same.yml").write_text("1", encoding="utf-8")
    (tmp_path / "changed.yml").write_text("1", encoding="utf-8")
    (tmp_path / "left.yml").write_text("1", encoding="utf-8")
    assert stale({"same.yml": "1", "changed.yml": "2", "missing.yml": "3"}, tmp_path) == [
        "changed.yml",
        "left.yml",
        "missing.yml",
    ]
    with pytest.raises(StaleModels, match=r"run python -m quality\.render"):
        refuse_stale({"same.yml": "1"}, tmp_path)
