from __future__ import annotations

from pathlib import Path

from spark_jobs.lineage import raw_tables


def test_a_model_is_made_of_all_raw_tables_behind_the_models_it_reads(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "city__clinics.sql").write_text("select * from {{ ref('stg_a') }} join {{ ref('stg_b') }} using (id)")
    (tmp_path / "staging" / "stg_a.sql").write_text("select * from {{ source('raw_health', 'clinics') }}")
    (tmp_path / "staging" / "stg_b.sql").write_text("select * from {{ ref('stg_a') }}, {{source('raw_tax','firms')}}")
    assert raw_tables("city__clinics", tmp_path) == {"health.clinics", "tax.firms"}


def test_our_models_are_made_of_what_their_names_promise() -> None:
    assert raw_tables("city__disease_cases") == {"health.disease_cases"}
    assert raw_tables("city__wards") == frozenset()
