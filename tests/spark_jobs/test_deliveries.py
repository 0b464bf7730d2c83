"""Deliveries of many files, of which only some change, and deliveries of changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from quality.contract import Column, Contract, Text
from quality.delivery import Delivery
from spark_jobs import raw
from spark_jobs.connectors import variable
from spark_jobs.environment import Environment
from spark_jobs.extracts import extracts_of
from spark_jobs.fetch import fetch
from spark_jobs.ingest import Options, ingest
from spark_jobs.intake import intake_of
from spark_jobs.layouts import ExtractMismatch
from spark_jobs.session import connect, folder_of, version

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Ask = Callable[[str], list[tuple[object, ...]]]
TEXT = Text("-", "-")
COLUMNS = {
    "id": Column("id", "int", "none", TEXT, TEXT),
    "area": Column("area", "double", "none", TEXT, TEXT, between=(0, None)),
    "owner": Column("owner", "string", "basic", TEXT, TEXT, required=False),
}
DELIVERY = Delivery("folder", "delimited", "snapshot", "month", 50, files=r"sheets/(?P<part>\w+)\.csv", numbers="vi")


@pytest.fixture
def parcels() -> Contract:
    """A snapshot in many sheets, for a table of the test's own."""
    table = f"test_{uuid4().hex[:8]}.parcels"
    return Contract(table, Path("parcels.yml"), TEXT, TEXT, "", "", ("id",), 1, COLUMNS, None, DELIVERY, "abc")


@pytest.fixture
def lay(parcels: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes sheets into the department's folder; None takes one away."""
    monkeypatch.setenv(variable(parcels.schema, "folder"), str(tmp_path))
    (tmp_path / "sheets").mkdir()

    def lay(**sheets: str | None) -> None:
        for name, rows in sheets.items():
            path = tmp_path / "sheets" / f"{name}.csv"
            if rows is None:
                path.unlink()
            else:
                path.write_text(f"id;area;owner\n{rows}\n", encoding="utf-8")

    return lay


def bring(contract: Contract, corner: Environment, *, allow_loss: bool = False) -> None:
    fetch(contract, corner.lake)
    ingest(contract, corner, Options(allow_loss=allow_loss))


def test_only_changed_files_are_fetched_read_and_replaced(
    lay: Callable[..., None], parcels: Contract, corner: Environment, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(a="1;1,5;An\n2;1.234,5;", b="3;3;\n4;4;", c="5;5;")
    bring(parcels, corner)
    rows = f"select id, area, owner, _file, _line from {raw.table_of(parcels)} order by id"
    assert ask(rows)[:2] == [(1, 1.5, "An", "sheets/a.csv", 2), (2, 1234.5, None, "sheets/a.csv", 3)]
    lay(b="3;30;\n6;6;", d="7;7;")
    capsys.readouterr()
    bring(parcels, corner)
    told = capsys.readouterr().out
    assert "correction 2, 2 new of 4 files" in told
    assert "read 3, accepted 3, rejected 0" in told
    assert [row[:2] for row in ask(rows)] == [(1, 1.5), (2, 1234.5), (3, 30.0), (5, 5.0), (6, 6.0), (7, 7.0)]
    (_, second) = extracts_of(corner.lake, parcels.table)["all"]
    assert {file.name: file.stands_in for file in second.files} == {
        "sheets/a.csv": "all/0001",
        "sheets/b.csv": "all/0002",
        "sheets/c.csv": "all/0001",
        "sheets/d.csv": "all/0002",
    }
    assert (second.path(corner.lake, second.files[0])).read_text() == "id;area;owner\n1;1,5;An\n2;1.234,5;\n"
    assert intake_of(corner.warehouse, parcels.table).read == 3


def test_a_key_that_stays_in_another_file_is_not_taken_twice(
    lay: Callable[..., None], parcels: Contract, corner: Environment, ask: Ask
) -> None:
    lay(a="1;1;\n2;2;", b="3;3;")
    bring(parcels, corner)
    lay(b="3;3;\n2;20;")
    bring(parcels, corner)
    assert ask(f"select id, area from {raw.table_of(parcels)} order by id") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert ask(f"select _file, _line, _broken[0].rule, _broken[0].cell from {raw.rejected_of(parcels)}") == [
        ("sheets/b.csv", 3, "key", "id")
    ]


def test_of_rows_with_one_key_in_several_files_none_gets_in_and_all_are_kept_with_all_they_break(
    lay: Callable[..., None], parcels: Contract, corner: Environment, ask: Ask
) -> None:
    lay(a="1;1;\n2;2;\n;3;", b="2;-2;\n;4;\n5;5;", c="6;6;\n7;7;\n8;8;\n9;9;")
    bring(parcels, corner)
    assert ask(f"select id from {raw.table_of(parcels)} order by id") == [(1,), (5,), (6,), (7,), (8,), (9,)]
    kept = f"select _file, _line, _values['id'], array_sort(_broken.rule) from {raw.rejected_of(parcels)} order by 1, 2"
    assert ask(kept) == [
        ("sheets/a.csv", 3, "2", ["key"]),
        ("sheets/a.csv", 4, None, ["required"]),  # blank keys are alike to none
        ("sheets/b.csv", 2, "2", ["between", "key"]),
        ("sheets/b.csv", 3, None, ["required"]),
    ]


def test_tables_that_an_older_version_had_the_engine_make_take_deliveries_too(
    lay: Callable[..., None], parcels: Contract, corner: Environment, ask: Ask
) -> None:
    types = {name: column.type for name, column in parcels.columns.items()} | raw.OURS
    with connect(corner.engine) as spark:
        spark.sql(f"create schema raw_{parcels.schema}")
        for table, columns in ((raw.table_of(parcels), types), (raw.rejected_of(parcels), raw.REJECTED)):
            listed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            marks = "tblproperties ('delta.enableDeletionVectors' = 'true')"
            spark.sql(f"create table {table} ({listed}) using delta {marks}")
    lay(a="1;1;\n2;-2;\n3;3;", b="4;4;\n5;-5;")
    bring(parcels, corner)
    ask(f"delete from {raw.table_of(parcels)} where id = 3")
    assert list(folder_of(corner.warehouse, raw.table_of(parcels)).glob("deletion_vector*"))
    lay(b="6;6;\n7;-7;")
    bring(parcels, corner)
    assert ask(f"select id, area from {raw.table_of(parcels)} order by id") == [(1, 1.0), (6, 6.0)]
    rejected = f"select _values['id'], _broken[0].rule from {raw.rejected_of(parcels)} order by 1"
    assert ask(rejected) == [("2", "between"), ("7", "between")]


def test_a_file_that_is_gone_refuses_the_delivery_until_a_person_says_so(
    lay: Callable[..., None], parcels: Contract, corner: Environment, ask: Ask
) -> None:
    lay(a="1;1;", b="2;2;")
    bring(parcels, corner)
    lay(b=None)
    with pytest.raises(ExtractMismatch, match="fewer files") as caught:
        bring(parcels, corner)
    assert caught.value.found == "no sheets/b.csv"
    assert ask(f"select count(*) from {raw.table_of(parcels)}") == [(2,)]
    bring(parcels, corner, allow_loss=True)
    assert ask(f"select id from {raw.table_of(parcels)}") == [(1,)]


def test_all_bad_files_of_a_delivery_are_told_at_once_and_raw_keeps_what_it_had(
    lay: Callable[..., None], parcels: Contract, corner: Environment
) -> None:
    lay(a="1;1;", b="2;2;")
    bring(parcels, corner)
    good = version(corner.warehouse, raw.table_of(parcels))
    lay(a='1;"1;', c='3;"3;')
    with pytest.raises(ExtractMismatch, match="2 of 2 files are not what was promised") as caught:
        bring(parcels, corner)
    assert "sheets/a.csv" in caught.value.found
    assert "sheets/c.csv" in caught.value.found
    assert version(corner.warehouse, raw.table_of(parcels)) == good


@pytest.mark.usefixtures("lay")
def test_what_the_contract_does_not_know_is_held_aside_and_told(
    parcels: Contract,
    corner: Environment,
    ask: Ask,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sheets" / "a.csv").write_text("id;area;owner;ghi chú\n1;1;;mới\n", encoding="utf-8")
    bring(parcels, corner)
    assert "ghi chú" in capsys.readouterr().err
    assert ask(f"select id, _unexpected from {raw.table_of(parcels)}") == [(1, {"ghi chú": "mới"})]


def test_a_column_of_which_most_values_are_of_another_form_is_told_as_retyped(
    lay: Callable[..., None], parcels: Contract, corner: Environment
) -> None:
    lay(a="1;một;\n2;hai;\n3;3;")
    with pytest.raises(ExtractMismatch) as caught:
        bring(parcels, corner)
    assert "area is no double any more" in caught.value.what
    assert "column area: area is 'một', expected a number such as 1.234,56" in caught.value.found


def test_personal_values_of_rejected_rows_are_masked(
    lay: Callable[..., None], parcels: Contract, corner: Environment, ask: Ask
) -> None:
    lay(a="1;-1;Nguyễn Văn An\n2;2;\n3;3;")
    bring(parcels, corner)
    assert ask(f"select _values['owner'], _values['area'] from {raw.rejected_of(parcels)}") == [("***", "-1")]


def test_changes_are_merged_by_key_and_an_older_row_never_wins(
    parcels: Contract, corner: Environment, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(parcels.schema, "folder"), str(tmp_path))
    stamped = {**COLUMNS, "updated_at": Column("updated_at", "timestamp", "none", TEXT, TEXT)}
    delivery = dataclasses.replace(DELIVERY, mode="changes", watermark="updated_at", files=r"(?P<period>\w+)\.csv")
    changes = dataclasses.replace(parcels, columns=stamped, delivery=delivery)
    heading = "id;area;owner;updated_at\n"
    (tmp_path / "p1.csv").write_text(f"{heading}1;1;;2026-07-01T00:00:00Z\n2;2;;2026-07-01T00:00:00Z\n")
    bring(changes, corner)
    (tmp_path / "p2.csv").write_text(
        f"{heading}1;1;;2026-07-01T00:00:00Z\n2;1;;2026-06-30T00:00:00Z\n3;3;;2026-08-01T00:00:00Z\n"
    )
    bring(changes, corner)
    assert ask(f"select id, area, _period from {raw.table_of(changes)} order by id") == [
        (1, 1.0, "p1"),
        (2, 2.0, "p1"),
        (3, 3.0, "p2"),
    ]
    ingest(changes, corner, Options(again=True))
    assert ask(f"select count(*), sum(area) from {raw.table_of(changes)}") == [(3, 6.0)]
