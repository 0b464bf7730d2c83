"""Raw: what gets in, what is kept apart, and that a bad delivery changes nothing."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Sequence

import pytest

from quality.contract import Contract
from quality.refusal import Refusal
from spark_jobs import raw
from spark_jobs.environment import Environment, Several
from spark_jobs.extracts import extracts_of
from spark_jobs.ingest import Options, ingest
from spark_jobs.layouts import ExtractMismatch
from spark_jobs.session import folder_of, version
from spark_jobs.tolerance import DeliveryRefused, refuse_lost_units
from tests.running import until
from tests.spark_jobs.books import Cell, sheet, zeros
from tests.spark_jobs.processes import start

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Deliver = Callable[..., None]
Ask = Callable[[str], list[tuple[object, ...]]]


def with_cell(column: int, value: Cell) -> list[Cell]:
    """24 zeros, but for one."""
    values = zeros()
    values[column] = value
    return values


def state(corner: Environment, contract: Contract) -> dict[str, int | None]:
    """The Delta versions of both raw tables."""
    tables = (raw.table_of(contract), raw.rejected_of(contract))
    return {table: version(corner.warehouse, table) for table in tables}


def ingested(contract: Contract, corner: Environment, **options: str | bool | None) -> None:
    ingest(contract, corner, Options(**options))  # type: ignore[arg-type]


def test_a_delivery_is_in_raw_with_its_extract_and_line(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver({"SXH": sheet({"Hà Nội": [*range(24)], "TP. H.C.M": with_cell(0, None)})})
    ingested(reports, corner)
    assert f"ingest {reports.table} 2018: read 24, accepted 24, rejected 0" in capsys.readouterr().out
    (extract,) = extracts_of(corner.lake, reports.table)["2018"]
    name = "Nien giam 2018r.xls"
    found = ask(f"select * from {raw.table_of(reports)} where month = 2 or cases is null order by _line, month")
    assert found == [
        ("Hà Nội", "SXH", 2018, 2, 2, 3, "2018", extract.sha256, name, "SXH", 3, None),
        ("TP. H.C.M", "SXH", 2018, 1, None, 0, "2018", extract.sha256, name, "SXH", 4, None),
        ("TP. H.C.M", "SXH", 2018, 2, 0, 0, "2018", extract.sha256, name, "SXH", 4, None),
    ]
    before = state(corner, reports)
    ingested(reports, dataclasses.replace(corner, engine="sc://127.0.0.1:1"))  # nothing new asks no engine
    assert "nothing new in 1 periods" in capsys.readouterr().out
    assert state(corner, reports) == before


def test_a_correction_replaces_its_period_and_no_other(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    for year in (2018, 2019):
        deliver({"SXH": sheet({"Hà Nội": with_cell(0, 5)})}, year)
    ingested(reports, corner)
    deliver({"SXH": sheet({"Hà Nội": with_cell(0, 7), "Cà Mau": with_cell(0, 1)})})
    ingested(reports, corner)
    totals = f"select year, count(*), sum(cases) from {raw.table_of(reports)} group by year order by year"
    assert ask(totals) == [(2018, 24, 8), (2019, 12, 5)]
    commits = raw.contained(corner.warehouse, raw.table_of(reports))
    assert {period: commit.extract for period, commit in commits.items()} == {
        period: extracts[-1].sha256 for period, extracts in extracts_of(corner.lake, reports.table).items()
    }


@pytest.mark.parametrize(
    ("sheets", "told", "kept"),
    [
        (
            {"SXH": sheet({"Hà Nội": with_cell(2, "nhiều")})},
            "sheet SXH, line 3, column D: cases is 'nhiều', expected a whole number such as 1234",
            [("SXH", 3, "cases", "D3", "nhiều", "form")],
        ),
        (
            {"SXH": sheet({"Hà Nội": with_cell(3, -4)})},
            "sheet SXH, line 3, column E: deaths is '-4', expected 0 to 100000",
            [("SXH", 3, "deaths", "E3", "-4", "between")],
        ),
        (
            {"SXH": sheet({"Hà Nội": with_cell(0, 1.5)})},
            "sheet SXH, line 3, column B: cases is '1.5', expected a whole number such as 1234",
            [("SXH", 3, "cases", "B3", "1.5", "form")],
        ),
        (
            {"SXH": sheet({"Hà Nội": zeros(), "Sài Côn": zeros()})},
            "sheet SXH, line 4, column A: province is 'Sài Côn', expected a value of reference.province_names.name",
            [("SXH", 4, "province", "A4", "Sài Côn", "refers_to")] * 12,
        ),
        (
            {"SXH": sheet({"Hà Nội": zeros()}), "Zika": sheet({"Hà Nội": zeros()})},
            "sheet Zika, line 3: disease is 'Zika', expected a value of reference.diseases.code",
            [("Zika", 3, "disease", None, "Zika", "refers_to")] * 12,
        ),
    ],
    ids=["text", "negative", "fraction", "unknown province", "new sheet"],
)
def test_a_bad_value_refuses_the_delivery_and_raw_keeps_what_it_had(  # noqa: PLR0913, PLR0917
    deliver: Deliver,
    reports: Contract,
    corner: Environment,
    ask: Ask,
    sheets: dict[str, list[list[Cell]]],
    told: str,
    kept: Sequence[tuple[object, ...]],
) -> None:
    deliver({"SXH": sheet({"Hà Nội": with_cell(0, 9)})}, 2017)
    ingested(reports, corner)
    good = version(corner.warehouse, raw.table_of(reports))
    deliver(sheets)
    with pytest.raises(DeliveryRefused) as caught:
        ingested(reports, corner)
    message = str(caught.value)
    assert told in message
    assert "Nien giam 2018r.xls" in caught.value.where
    assert f"{len(kept)} of " in caught.value.what
    assert f"{raw.rejected_of(reports)}; raw keeps what it had" in caught.value.remedy
    assert version(corner.warehouse, raw.table_of(reports)) == good
    broken = ask(
        "select _sheet, _line, b.column, b.cell, b.value, b.rule "
        f"from {raw.rejected_of(reports)} lateral view explode(_broken) as b where _period = '2018'"
    )
    assert broken == list(kept)
    again = version(corner.warehouse, raw.rejected_of(reports))
    with pytest.raises(DeliveryRefused):
        ingested(reports, corner)
    assert version(corner.warehouse, raw.rejected_of(reports)) == again  # told again, kept once


def test_rows_within_the_tolerance_are_kept_apart_and_the_rest_gets_in(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reports.delivery
    tolerant = dataclasses.replace(reports, delivery=dataclasses.replace(reports.delivery, rejected_at_most_pct=10))
    deliver({"SXH": sheet({"Hà Nội": with_cell(0, "?")})})
    ingested(tolerant, corner)
    assert "2018: read 12, accepted 11, rejected 1 (cases)" in capsys.readouterr().out
    assert ask(f"select count(*), count_if(month = 1) from {raw.table_of(reports)}") == [(11, 0)]
    assert ask(f"select _values['province'], _values['cases'] from {raw.rejected_of(reports)}") == [("Hà Nội", "?")]


def test_a_personal_value_is_shown_and_kept_masked(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    personal = dataclasses.replace(reports.columns["province"], pii="basic")
    contract = dataclasses.replace(reports, columns={**reports.columns, "province": personal})
    deliver({"SXH": sheet({"Nguyễn Văn An": zeros()})})
    with pytest.raises(DeliveryRefused) as caught:
        ingested(contract, corner)
    assert "Nguyễn" not in str(caught.value)
    assert ask(f"select distinct _values['province'], _broken[0].value from {raw.rejected_of(reports)}") == [
        ("***", "***")
    ]


def test_a_refused_period_does_not_stop_the_others(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    deliver({"SXH": sheet({"Hà Nội": with_cell(0, "?")})}, 2016)
    deliver({"TCM": sheet({"Hà Nội": zeros()})}, 2017)
    deliver({"SXH": sheet({"Hà Nội": zeros()})}, 2018)
    with pytest.raises(Several, match="2 refusals") as caught:
        ingested(reports, corner)
    assert "promised sheet missing: SXH" in str(caught.value)
    assert ask(f"select distinct year from {raw.table_of(reports)}") == [(2018,)]


def test_a_correction_that_lost_provinces_is_refused_until_a_person_says_so(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    deliver({"SXH": sheet({"Hà Nội": zeros(), "Cà Mau": zeros()}), "TCM": sheet({"Hà Nội": zeros()})})
    ingested(reports, corner)
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    with pytest.raises(ExtractMismatch, match="less than the version before") as caught:
        ingested(reports, corner)
    assert caught.value.found == "no sheet TCM; no Cà Mau (sheet SXH)"
    assert ask(f"select count(*) from {raw.table_of(reports)}") == [(36,)]
    ingested(reports, corner, allow_loss=True)
    assert ask(f"select count(*) from {raw.table_of(reports)}") == [(12,)]


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_an_ingest_stopped_in_the_middle_is_finished_by_the_next(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask, stop: signal.Signals
) -> None:
    for year in range(2013, 2017):
        deliver({"SXH": sheet({"Hà Nội": with_cell(0, year)})}, year)
    stopped = start("spark_jobs.ingest", "ingest", reports, corner, Options())
    until(lambda: version(corner.warehouse, raw.table_of(reports)) or stopped.poll() is not None)
    stopped.send_signal(stop)
    stopped.communicate(timeout=60)
    assert stopped.returncode == (1 if stop == signal.SIGINT else -signal.SIGKILL)
    ingested(reports, corner)
    table = raw.table_of(reports)
    assert ask(f"select year, count(*), sum(cases) from {table} group by year order by year") == [
        (2013, 12, 2013),
        (2014, 12, 2014),
        (2015, 12, 2015),
        (2016, 12, 2016),
    ]


def test_what_a_killed_creation_left_is_cleared(deliver: Deliver, reports: Contract, corner: Environment) -> None:
    folder = folder_of(corner.warehouse, raw.table_of(reports))
    (folder / "_delta_log").mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"half")
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    ingested(reports, corner)
    assert version(corner.warehouse, raw.table_of(reports)) == 1


def test_a_table_whose_folder_went_away_is_made_anew(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    ingested(reports, corner)
    ask(f"drop table {raw.table_of(reports)}")
    ingested(reports, corner)
    assert ask(f"select count(*) from {raw.table_of(reports)}") == [(12,)]


def test_a_table_that_was_brought_there_while_the_engine_ran_say_from_a_backup_is_known_to_it(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    deliver({"SXH": sheet({"Hà Nội": with_cell(0, 5)})})
    ingested(reports, corner)
    here = folder_of(corner.warehouse, raw.table_of(reports)).parent
    here.rename(here.with_name(f"raw_{reports.schema}_moved.db"))
    table = f"raw_{reports.schema}_moved.{reports.name}"
    assert ask(f"select sum(cases) from {table}") == [(5,)]
    ask(f"insert into {table} replace where _period = '2018' select * from {table} where month = 1")
    assert ask(f"select sum(cases), count(*) from {table}") == [(5, 1)]


def test_a_new_column_of_the_contract_is_added_and_a_retyped_one_is_refused(
    deliver: Deliver, reports: Contract, corner: Environment, ask: Ask
) -> None:
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    ingested(reports, corner)
    note = dataclasses.replace(reports.columns["cases"], name="note", type="string", between=None)
    ingested(dataclasses.replace(reports, columns={**reports.columns, "note": note}), corner)
    assert ask(f"select count(*), count(note) from {raw.table_of(reports)}") == [(12, 0)]
    text = dataclasses.replace(reports.columns["cases"], type="string", between=None)
    retyped = dataclasses.replace(reports, columns={**reports.columns, "cases": text, "note": note})
    with pytest.raises(Refusal) as caught:
        ingested(retyped, corner)
    assert caught.value.found == "cases is integer, in the contract string"


def test_a_delivery_with_too_few_rows_is_refused(deliver: Deliver, reports: Contract, corner: Environment) -> None:
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    with pytest.raises(ExtractMismatch, match="too few rows") as caught:
        ingested(dataclasses.replace(reports, at_least=13), corner)
    assert caught.value.found == "12"


def test_a_period_that_was_never_fetched_is_refused(deliver: Deliver, reports: Contract, corner: Environment) -> None:
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    with pytest.raises(Refusal, match="no extract") as caught:
        ingested(reports, corner, period="2099")
    assert caught.value.expected == "one of 2018"


def test_a_correction_that_only_adds_is_no_loss() -> None:
    before = {"SXH": frozenset({"Hà Nội"})}
    refuse_lost_units({"SXH": frozenset({"Hà Nội", "Cà Mau"}), "TCM": frozenset()}, before, "")
