"""What dbt reads of the contracts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from quality.contract import load_all, load_catalogue
from quality.render import GENERATED, StaleModels, refuse_stale, render, stale


def test_the_generated_files_are_fresh() -> None:
    assert stale(render(load_all(), load_catalogue()), GENERATED) == []


def test_a_city_table_becomes_a_model_with_its_key_tested() -> None:
    text = render(load_all(), load_catalogue())["city__wards.yml"]
    assert text.startswith("# Generated from quality/contracts/city/wards.yml by `python -m quality.render`")
    (model,) = yaml.safe_load(text)["models"]
    assert model["description"].startswith("**Phường, xã, đặc khu của Thành phố Hồ Chí Minh, hiện nay và trước đây**: ")
    assert model["name"] == "city__wards"
    assert model["config"]["alias"] == "wards"
    assert model["data_tests"] == [{"unique_together": {"arguments": {"columns": ["ward_code", "valid_from"]}}}]
    (column,) = (column for column in model["columns"] if column["name"] == "valid_to")
    assert column["data_type"] == "date"
    assert column["description"].endswith("\n\nIn force until: Last day; empty while in force")


def test_a_departments_table_becomes_a_source() -> None:
    (source,) = yaml.safe_load(render(load_all(), load_catalogue())["health__disease_cases.yml"])["sources"]
    assert source["name"] == "raw_health"
    assert [table["name"] for table in source["tables"]] == ["disease_cases"]


def test_a_published_table_becomes_an_exposure_and_an_unpublished_one_does_not() -> None:
    files = render(load_all(), load_catalogue())
    (exposure,) = yaml.safe_load(files["city__schools.yml"])["exposures"]
    assert exposure["name"] == "truong_hoc"
    assert exposure["depends_on"] == ["ref('city__schools')"]
    assert exposure["owner"] == {"name": "Sở Giáo dục và Đào tạo · Department of Education and Training"}
    assert exposure["url"].endswith("/dataset/truong-hoc")
    assert exposure["config"]["meta"]["columns"].startswith("school_code, school_name, ")
    assert "exposures" not in yaml.safe_load(files["city__parcels.yml"])


def test_raw_is_to_be_as_fresh_as_its_contract_says_and_no_fresher_where_it_says_nothing() -> None:
    files = render(load_all(), load_catalogue())
    stated = {
        name: yaml.safe_load(files[f"{name}.yml"])["sources"][0]["tables"][0]["config"]
        for name in ("health__disease_weeks", "health__disease_cases")
    }
    assert stated["health__disease_weeks"]["freshness"] == {"warn_after": {"count": 7 + 10, "period": "day"}}
    assert stated["health__disease_cases"]["freshness"] is None


def test_what_is_personal_says_so() -> None:
    (source,) = yaml.safe_load(render(load_all(), load_catalogue())["health__practitioners.yml"])["sources"]
    columns = {column["name"]: column for column in source["tables"][0]["columns"]}
    assert columns["full_name"]["config"] == {"meta": {"pii": "basic"}}
    assert "config" not in columns["issued_on"]


def test_rendering_twice_gives_the_same_text() -> None:
    assert render(load_all(), load_catalogue()) == render(load_all(), load_catalogue())


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
