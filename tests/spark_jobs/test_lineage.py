from __future__ import annotations

from pathlib import Path

from spark_jobs.lineage import MODELS, behind


def test_a_model_is_made_of_all_raw_tables_behind_the_models_it_reads(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "city__clinics.sql").write_text("select * from {{ ref('stg_a') }} join {{ ref('stg_b') }} using (id)")
    (tmp_path / "staging" / "stg_a.sql").write_text("select * from {{ source('raw_health', 'clinics') }}")
    (tmp_path / "staging" / "stg_b.sql").write_text("select * from {{ ref('stg_a') }}, {{source('raw_tax','firms')}}")
    found = behind("city__clinics", tmp_path)
    assert found.raw == {"health.clinics", "tax.firms"}
    assert found.nodes == {"city__clinics", "stg_a", "stg_b"}


def test_what_a_model_reads_itself_it_reads_through_views_alone(tmp_path: Path) -> None:
    (tmp_path / "city__towns.sql").write_text("select * from {{ ref('city__clinics') }}, {{ ref('stg_b') }}")
    (tmp_path / "city__clinics.sql").write_text("select * from {{ ref('stg_a') }}")
    (tmp_path / "stg_a.sql").write_text("select * from {{ source('raw_health', 'clinics') }}")
    (tmp_path / "stg_b.sql").write_text("select * from {{ source('raw_tax','firms') }}")
    assert behind("city__towns", tmp_path).raw == {"health.clinics", "tax.firms"}
    found = behind("city__towns", tmp_path, through_tables=False)
    assert found.raw == {"tax.firms"}
    assert found.nodes == {"city__towns", "city__clinics", "stg_b"}


def test_our_models_are_made_of_what_their_names_promise() -> None:
    assert behind("city__disease_cases").raw == {"health.disease_cases"}
    assert behind("city__wards").raw == frozenset()
    assert behind("city__wards").nodes == {"city__wards", "wards", "former_wards", "districts", "ward_changes"}


def test_a_model_that_calls_a_macro_says_in_a_comment_what_that_reads() -> None:
    calls = [path for path in MODELS.rglob("*.sql") if "in_units_of(" in path.read_text(encoding="utf-8")]
    assert calls
    for path in calls:
        assert {"city__wards", "city__ward_weights"} <= behind(path.stem).nodes, path
