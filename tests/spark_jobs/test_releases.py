"""Releases: made when all is in and something changed, and never of what did not pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from quality.contract import Contract
from spark_jobs.environment import Environment
from spark_jobs.promote import promote, release
from spark_jobs.raw import HISTORY
from spark_jobs.releases import (
    RELEASES,
    Release,
    UnknownRelease,
    changed,
    find,
    kept,
    next_name,
    print_release,
    print_releases,
    releases,
    versions_of,
)
from spark_jobs.session import delta_table, version
from spark_jobs.verdicts import NotPassed
from tests.spark_jobs.verdicts import check

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]
Ask = Callable[[str], list[tuple[object, ...]]]
NOON = datetime(2026, 11, 25, 5, tzinfo=UTC)


def made(name: str, days_ago: int = 0, **versions: int) -> Release:
    tables = {f"city.{table}": at for table, at in versions.items()}
    return Release(name, NOON - timedelta(days=days_ago), tables, dict.fromkeys(tables, 1200))


def test_a_name_is_the_day_and_a_number_from_the_second_on() -> None:
    today = date(2026, 11, 25)
    assert next_name([], today) == "2026-11-25"
    assert next_name(["2026-11-24.2", "2026-11-24"], today) == "2026-11-25"
    assert next_name(["2026-11-25", "2026-11-24"], today) == "2026-11-25.2"
    assert next_name([f"2026-11-25.{number}" for number in (9, 10, 2)], today) == "2026-11-25.11"
    assert next_name(["2026-11-26"], today) == "2026-11-26.2"  # the clock was set back: still the newest


def test_the_newest_is_kept_at_any_age_and_others_as_long_as_said() -> None:
    known = [made("c", 500), made("b", 501), made("a", 900)]
    assert kept(known, NOON) == known[:1]
    assert kept([made("d", 1), *known], NOON, timedelta(days=501)) == [made("d", 1), made("c", 500)]
    assert kept([], NOON) == []


def test_what_changed_is_told_table_by_table() -> None:
    assert changed({"city.a": 1}, {}) == "the first"
    told = changed({"city.a": 2, "city.b": 5, "city.d": 0}, {"city.a": 1, "city.b": 5, "city.c": 7})
    assert told == "changed: a 1 → 2, c 7 → gone, d new → 0"


def test_the_list_and_one_of_it_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_releases([made("2026-11-25.2", schools=13, wards=3), made("2026-11-25", 1, schools=12, wards=3)])
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-25.2  2026-11-25 12:00  changed: schools 12 → 13",
        "2026-11-25    2026-11-24 12:00  the oldest",
    ]
    print_release(made("2026-11-25", schools=13))
    assert capsys.readouterr().out == "city.schools        1,200 rows  select * from city.schools version as of 13\n"
    print_releases([])
    assert "no release yet" in capsys.readouterr().out


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownRelease) as caught:
        find([made("2026-11-25")], "2026-11-26")
    assert (caught.value.expected, caught.value.found) == ("2026-11-25", "2026-11-26")


@pytest.fixture
def other(clinics: Contract) -> Contract:
    """A second table of the city."""
    return dataclasses.replace(clinics, table=f"{clinics.table}_too")


@pytest.fixture
def draft_other(other: Contract, clinics: Contract, ask: Ask, corner: Environment) -> Draft:
    """Makes a draft of it, as `draft` does."""

    def draft_other(rows: str, *, passed: bool | None = True) -> None:
        columns = ", ".join(clinics.columns)
        ask(
            f"create or replace table draft.{other.name} using delta as select cast(id as int), name, "
            f"cast(beds as int), cast(owner as string) from values {rows} as ({columns})"
        )
        check(other, corner, "draft", passed=passed)

    return draft_other


def test_a_release_is_made_when_all_is_in_and_only_of_what_passed(
    draft: Draft,
    draft_other: Draft,
    clinics: Contract,
    other: Contract,
    corner: Environment,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = {contract.table: contract for contract in (clinics, other)}

    def newest() -> Release:
        return releases(corner.warehouse)[0]

    def promoted(*tables: str) -> None:
        promote(tables or list(both), both, corner)
        release(both, corner)

    draft("(1, 'Bình Dân', 10, 'An')")
    draft_other("(7, 'Từ Dũ', 1, null), (8, 'Chợ Rẫy', 2, null)")
    promoted(clinics.table)  # a part of the city is no release
    assert f"no release while the newest draft is not in the city of {other.table}" in capsys.readouterr().out
    promoted(other.table)  # but what makes it whole is
    first = newest()
    assert first.versions == {clinics.table: 0, other.table: 0}
    assert first.rows == {clinics.table: 1, other.table: 2}
    assert abs(datetime.now(UTC) - first.released_at) < timedelta(minutes=10)
    assert versions_of(corner.warehouse, first.name) == first.versions

    at = version(corner.warehouse, RELEASES)
    draft("(1, 'Bình Dân', 10, 'An')")
    promoted()  # no row changed
    promoted()
    assert version(corner.warehouse, RELEASES) == at

    draft("(1, 'Bình Dân', 11, 'An')")
    draft_other("(7, 'Từ Dũ', 3, null), (8, 'Chợ Rẫy', 2, null)", passed=False)
    with pytest.raises(NotPassed):
        promoted()
    release(both, corner)  # also when asked for: one table went in, the other is behind
    assert newest() == first
    draft_other("(7, 'Từ Dũ', 3, null), (8, 'Chợ Rẫy', 2, null)")
    promote(list(both), both, corner)  # killed before the release
    assert newest() == first
    promoted()
    second = newest()
    assert second.versions == {clinics.table: 1, other.table: 1}
    assert second.rows == first.rows


def test_a_table_that_a_release_names_keeps_its_past_from_then_on(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask
) -> None:
    contracts = {clinics.table: clinics}
    draft("(1, 'Bình Dân', 10, 'An')")
    promote(list(contracts), contracts, corner)
    ask(f"alter table {clinics.table} unset tblproperties ('delta.deletedFileRetentionDuration')")  # as it once was
    ask(f"alter table {clinics.table} set tblproperties ('delta.logRetentionDuration' = 'interval 30 days')")
    promote(list(contracts), contracts, corner)
    release(contracts, corner)
    log = delta_table(corner.warehouse, clinics.table)
    assert log
    assert HISTORY.items() <= log.metadata().configuration.items()
    assert releases(corner.warehouse)[0].versions[clinics.table] == version(corner.warehouse, clinics.table)


def test_a_release_is_read_by_sql(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    contracts = {clinics.table: clinics}
    for beds in (10, 11):
        draft(f"(1, 'Bình Dân', {beds}, 'An')")
        promote(list(contracts), contracts, corner)
        release(contracts, corner)
    of_table = f"select release, version, row_count from {RELEASES} where table_name = '{clinics.table}' order by 2"
    (old, at, rows), (new, *_) = ask(of_table)
    assert (at, rows, str(old) != str(new)) == (0, 1, True)
    capsys.readouterr()
    print_release(find(releases(corner.warehouse), str(old)))
    query = capsys.readouterr().out.partition("rows  ")[2]
    assert ask(query) == [(1, "Bình Dân", 10, "An")]
    assert ask(f"select beds from {clinics.table}") == [(11,)]
