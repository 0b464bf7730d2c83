"""Draft → city: only what passed, only what changed, and never half of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from quality.contract import Contract
from spark_jobs.environment import Environment
from spark_jobs.merge import ColumnsChanged, KeyNotUnique
from spark_jobs.promote import promote
from spark_jobs.session import version
from spark_jobs.verdicts import NotPassed

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]
Ask = Callable[[str], list[tuple[object, ...]]]
TWO = "(1, 'Bình Dân', 10, 'An'), (2, 'Từ Dũ', null, null)"


def promoted(contract: Contract, corner: Environment) -> int | None:
    """The city version after promoting."""
    promote([contract.table], {contract.table: contract}, corner)
    return version(corner.warehouse, contract.table)


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
    assert promoted(clinics, corner) == 2
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


def test_a_key_that_stands_twice_or_is_empty_is_refused_with_samples(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    draft("(1, 'a', 1, null), (1, 'b', 2, null), (null, 'c', 3, null), (4, 'd', 4, null)")
    with pytest.raises(KeyNotUnique) as caught:
        promoted(clinics, corner)
    assert caught.value.found == "2 such keys, the first: id None: 1 rows; id 1: 2 rows"
    assert version(corner.warehouse, clinics.table) is None


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
    assert version(corner.warehouse, clinics.table) == 0
