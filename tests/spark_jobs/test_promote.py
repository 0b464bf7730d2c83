"""Draft → city: only what passed, only what changed, and never half of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from itertools import pairwise
from uuid import uuid4

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from quality.contract import Contract
from quality.refusal import Refusal
from spark_jobs import merge as merging
from spark_jobs.asking import ask as asked
from spark_jobs.environment import Environment
from spark_jobs.merge import ColumnsChanged
from spark_jobs.promote import allowed_removals, promote
from spark_jobs.removals import TooManyRemovals
from spark_jobs.session import version
from spark_jobs.verdicts import NotPassed
from tests.spark_jobs.processes import start
from tests.spark_jobs.verdicts import check

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]
Ask = Callable[[str], list[tuple[object, ...]]]
TWO = "(1, 'Bình Dân', 10, 'An'), (2, 'Từ Dũ', null, null)"


def promoted(contract: Contract, corner: Environment, removals: int | None = None) -> int | None:
    """The city version after promoting. `removals`: how many rows a person lets go."""
    allowed = {} if removals is None else {contract.table: removals}
    promote([contract.table], {contract.table: contract}, corner, allowed)
    return version(corner.warehouse, contract.table)


def clinic_rows(*ids: int) -> str:
    """As many clinics."""
    return ", ".join(f"({number}, 'Số {number}', {number}, 'An')" for number in ids)


@pytest.mark.usefixtures("by_engine")
def test_only_rows_that_changed_are_in_the_change_feed(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    draft(TWO)
    assert promoted(clinics, corner) == 0
    draft(TWO)
    assert promoted(clinics, corner) == 0  # a new draft with the same rows is no new version
    assert f"promote {clinics.table}: no row changed, version 0 stays" in capsys.readouterr().out
    draft("(1, 'Bình Dân', 10, 'An'), (2, 'Từ Dũ', 7, null), (3, 'Chợ Rẫy', 5, null)")
    assert promoted(clinics, corner) == 1
    assert "inserted 1, updated 1, deleted 0: version 1" in capsys.readouterr().out
    draft("(2, 'Từ Dũ', 7, null), (3, 'Chợ Rẫy', 5, null)")
    assert promoted(dataclasses.replace(clinics, removed_at_most_pct=50), corner) == 2
    feed = f"select _commit_version, _change_type, id, beds from table_changes('{clinics.table}', 1)"
    assert ask(f"{feed} order by 1, id, 2") == [
        (1, "update_postimage", 2, 7),
        (1, "update_preimage", 2, None),
        (1, "insert", 3, 5),
        (2, "delete", 1, 10),
    ]


def test_nothing_new_asks_no_engine(
    draft: Draft, clinics: Contract, corner: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    draft(TWO)
    promoted(clinics, corner)
    promoted(clinics, dataclasses.replace(corner, engine="sc://127.0.0.1:1"))
    assert f"promote {clinics.table}: nothing new since draft version 0" in capsys.readouterr().out


def test_a_draft_that_was_not_checked_or_failed_or_by_another_contract_stays_out(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    draft(TWO)
    assert promoted(clinics, corner) == 0
    draft("(1, 'Bình Dân', 10, 'An')", passed=None)
    with pytest.raises(NotPassed, match="not checked"):
        promoted(clinics, corner)
    draft("(1, 'Bình Dân', 10, 'An')", passed=False)
    with pytest.raises(NotPassed, match="failed its check") as caught:
        promoted(clinics, corner)
    assert caught.value.found == "between beds"
    draft("(1, 'Bình Dân', 10, 'An')")
    with pytest.raises(NotPassed, match="another contract"):
        promoted(dataclasses.replace(clinics, sha256="def"), corner)
    assert version(corner.warehouse, clinics.table) == 0


def test_a_new_column_comes_in_with_its_values_in_one_version(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask
) -> None:
    without = dataclasses.replace(clinics, columns={k: v for k, v in clinics.columns.items() if k != "owner"})
    draft(TWO)
    assert promoted(without, corner) == 0
    assert promoted(clinics, corner) == 1
    assert ask(f"select id, owner from {clinics.table} order by id") == [(1, "An"), (2, None)]


def test_a_retyped_or_removed_column_is_refused_with_both_sides(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    draft(TWO)
    assert promoted(clinics, corner) == 0
    fewer = dataclasses.replace(clinics, columns={k: v for k, v in clinics.columns.items() if k != "owner"})
    with pytest.raises(ColumnsChanged) as caught:
        promoted(fewer, corner)
    assert caught.value.found == "owner is string, wanted no longer"
    beds = dataclasses.replace(clinics.columns["beds"], type="string")
    with pytest.raises(ColumnsChanged) as caught:
        promoted(dataclasses.replace(clinics, columns={**clinics.columns, "beds": beds}), corner)
    assert caught.value.found == "beds is integer, expected string"
    assert caught.value.lasts
    assert version(corner.warehouse, clinics.table) == 0


def test_the_feed_leads_from_each_version_to_the_next_and_tells_no_change_that_is_none(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask
) -> None:
    contract = dataclasses.replace(clinics, removed_at_most_pct=100)
    states: list[dict[int, int | None]] = [
        {1: 10, 2: None, 3: 30, 4: 40},
        {1: 10, 2: 20, 3: 30, 4: 40},  # a blank filled in
        {1: 10, 2: 20, 4: 41, 5: 50, 6: 60},  # one gone, one other, two new
        {2: 20, 3: 30, 4: 41, 5: None, 7: 60},  # one back, one blank, one with another key
        {9: 9},  # nothing stays
    ]
    for number, state in enumerate(states):
        draft(
            ", ".join(f"({key}, 'Số {key}', {'null' if beds is None else beds}, 'An')" for key, beds in state.items())
        )
        assert promoted(contract, corner) == number
        rows = ask(f"select id, beds from {clinics.table} version as of {number} order by id")
        assert rows == list(state.items())
    for number, (before, after) in enumerate(pairwise(states), start=1):
        feed = ask(f"select _change_type, id, beds from table_changes('{clinics.table}', {number}, {number})")
        both = before.keys() & after.keys()
        assert sorted(feed, key=str) == sorted(
            [
                *(("delete", key, before[key]) for key in before.keys() - after.keys()),
                *(("insert", key, after[key]) for key in after.keys() - before.keys()),
                *(("update_preimage", key, before[key]) for key in both if before[key] != after[key]),
                *(("update_postimage", key, after[key]) for key in both if before[key] != after[key]),
            ],
            key=str,
        )


def test_of_a_draft_whose_parts_were_replaced_only_they_are_compared_unless_another_hand_changed_the_city(
    clinics: Contract, corner: Environment, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = dataclasses.replace(clinics, removed_at_most_pct=100)
    table = f"draft.{contract.name}"
    many = {number: number for number in range(10, 100)}
    compared: list[int] = []

    def counted(query: str, **tables: DeltaTable) -> pa.RecordBatchReader:
        compared.append(asked("select id from new", new=tables["new"]).read_all().num_rows)
        return asked(query, **tables)

    def draft_part(owner: str, beds: Mapping[int, int | None]) -> None:
        rows = ", ".join(f"({key}, 'Số {key}', {'null' if count is None else count})" for key, count in beds.items())
        ask(
            f"insert into {table} replace where owner = '{owner}' "
            f"select cast(id as int), name, cast(beds as int), '{owner}' from values {rows} as (id, name, beds)"
        )
        check(contract, corner, "draft", passed=True)

    monkeypatch.setattr(merging, "ask", counted)
    ask("create schema if not exists draft")
    properties = "'delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true'"
    ask(f"create table {table} (id int, name string, beds int, owner string) using delta tblproperties ({properties})")
    draft_part("An", many)
    draft_part("Bình", {1: 1, 2: 2, 3: None})
    assert promoted(contract, corner) == 0
    draft_part("Bình", {1: 1, 2: None, 4: 4})
    assert promoted(contract, corner) == 1
    feed = f"select _change_type, id, beds from table_changes('{contract.table}', 1, 1) order by id, 1"
    assert ask(feed) == [
        ("update_postimage", 2, None),
        ("update_preimage", 2, 2),
        ("delete", 3, None),
        ("insert", 4, 4),
    ]
    draft_part("Bình", {4: 4, 2: None, 1: 1})
    assert promoted(contract, corner) == 1, "what came anew is as it was"
    draft_part("Bình", {1: 1, 4: 5})
    assert promoted(contract, corner) == 2, "since that draft, of which the city has no version of its own"
    assert compared == [93, 3, 3, 2]
    ask(f"update {contract.table} set beds = 0 where id = 10")
    draft_part("Bình", {1: 1})
    assert promoted(contract, corner) == 4
    assert compared[4:] == [91]
    assert set(ask(f"select id, beds from {contract.table}")) == {*many.items(), (1, 1)}


def test_more_removals_than_the_contract_lets_go_stop_for_a_person(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask
) -> None:
    draft(clinic_rows(*range(1, 21)))
    assert promoted(clinics, corner) == 0
    draft(clinic_rows(*range(4, 21), 31))
    with pytest.raises(TooManyRemovals) as caught:
        promoted(clinics, corner)
    assert caught.value.what == f"{clinics.table} would lose 3 of its 20 rows (15.0 %)"
    assert caught.value.expected == f"at most 10 % of the rows (removed_at_most_pct of {clinics.path.name})"
    assert "3 to be removed, 1 to be inserted, 0 to be updated" in caught.value.found
    assert "for example: id 1; id 2; id 3" in caught.value.found
    assert caught.value.lasts
    assert f"`./kho promote {clinics.table} --allow-removals 3`" in caught.value.remedy
    with pytest.raises(TooManyRemovals) as caught:
        promoted(clinics, corner, removals=2)
    assert caught.value.expected == "at most 2 rows (--allow-removals)"
    assert version(corner.warehouse, clinics.table) == 0
    assert promoted(clinics, corner, removals=3) == 1
    assert ask(f"select count(*), max(id) from {clinics.table}") == [(18, 31)]
    draft(clinic_rows(*range(5, 21), 31))  # one of 18 may go without a word
    assert promoted(clinics, corner) == 2


def test_of_keys_that_are_personal_none_is_told(draft: Draft, clinics: Contract, corner: Environment) -> None:
    columns = {**clinics.columns, "id": dataclasses.replace(clinics.columns["id"], pii="basic")}
    personal = dataclasses.replace(clinics, columns=columns, portal=None)
    draft(clinic_rows(*range(1771, 1781)))
    assert promoted(personal, corner) == 0
    draft(clinic_rows(*range(1773, 1781)))
    with pytest.raises(TooManyRemovals) as caught:
        promoted(personal, corner)
    assert "their key is personal, not shown" in caught.value.found
    assert "177" not in str(caught.value)


def test_a_full_disk_leaves_the_version_before_and_the_next_run_finishes(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    draft(TWO)
    assert promoted(clinics, corner) == 0
    draft(", ".join(f"({number}, '{uuid4()}', 1, null)" for number in range(1, 1_000)))
    limited = start(
        "spark_jobs.promote", "promote", [clinics.table], {clinics.table: clinics}, corner, largest_file=9_000
    )
    _, told = limited.communicate(timeout=120)
    assert limited.returncode == 1
    assert f"{clinics.name} could not be written" in told.decode()
    assert "the version before stays" in told.decode()
    assert version(corner.warehouse, clinics.table) == 0
    assert promoted(clinics, corner) == 1


def test_a_number_of_removals_is_for_one_table() -> None:
    assert allowed_removals("", ["city.a", "city.b"]) == {}
    assert allowed_removals("12", ["city.a"]) == {"city.a": 12}
    assert allowed_removals("city.b=12", ["city.a", "city.b"]) == {"city.b": 12}
    for word in ("12", "city.c=12", "city.a=", "city.a=-1", "city.a=many"):
        with pytest.raises(Refusal, match="does not say which rows"):
            allowed_removals(word, ["city.a", "city.b"])
