from dataclasses import replace
from pathlib import Path

import pytest

from portal_sync.plan import (
    Action,
    Change,
    NotOurs,
    PlanChanged,
    TooManyRemovals,
    as_json,
    as_text,
    check_removals,
    check_same,
    plan,
)
from portal_sync.portal import DATASET, GROUP, ORGANISATION, Changes, State, Version
from tests.portal import dataset, listed, state


def names(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.action.value, change.kind, change.name) for change in changes]


def many(folder: Path, count: int) -> State:
    return state(*(dataset(f"thu-{number:02}", folder, []) for number in range(count)))


def test_an_empty_portal_gets_owners_before_what_they_own(tmp_path: Path) -> None:
    assert names(plan(state(dataset("thu-ca", tmp_path, [])), {})) == [
        ("+", ORGANISATION, "thu-nghiem"),
        ("+", GROUP, "thu"),
        ("+", DATASET, "thu-ca"),
    ]


def test_a_portal_that_has_everything_needs_nothing(tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, []))
    assert plan(wanted, dict(wanted)) == []


def test_a_changed_field_is_named_with_both_sides(tmp_path: Path) -> None:
    there = state(dataset("thu-ca", tmp_path, [], license_id="gpl-3"))
    (change,) = plan(state(dataset("thu-ca", tmp_path, [], license_id="mit")), there)
    assert change.action is Action.UPDATE
    assert [(r.field, r.actual, r.desired) for r in change.reasons] == [("license_id", "gpl-3", "mit")]


def test_a_new_version_reloads_the_table(tmp_path: Path) -> None:
    there = state(dataset("thu-ca", tmp_path, [("a", 1)]))
    (change,) = plan(state(dataset("thu-ca", tmp_path, [("a", 2)], version=2)), there)
    fields = [reason.field for reason in change.reasons]
    assert fields == ["kho_version", "file cases.csv sha256", "table version"]


def test_an_unfinished_draft_is_finished(tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, []))
    key = (DATASET, "thu-ca")
    there = {**wanted, key: replace(wanted[key], state="draft", table=None)}
    (change,) = plan(wanted, there)
    assert [reason.field for reason in change.reasons] == ["state", "table version"]


def test_a_dataset_somebody_else_made_is_never_removed(tmp_path: Path) -> None:
    theirs = replace(dataset("cua-ho", tmp_path, []), managed=False)
    assert plan(state(), state(theirs)) == []


def test_a_dataset_of_our_name_that_somebody_else_made_stops_the_plan(tmp_path: Path) -> None:
    theirs = replace(dataset("thu-ca", tmp_path, []), managed=False)
    with pytest.raises(NotOurs, match="dataset thu-ca"):
        plan(state(dataset("thu-ca", tmp_path, [])), state(theirs))


def test_what_no_contract_speaks_of_any_more_is_removed_with_its_owners_last(tmp_path: Path) -> None:
    there = state(dataset("thu-ca", tmp_path, []))
    assert names(plan({}, there)) == [
        ("-", DATASET, "thu-ca"),
        ("-", GROUP, "thu"),
        ("-", ORGANISATION, "thu-nghiem"),
    ]


def test_a_dataset_whose_export_is_missing_stays_with_its_owners(tmp_path: Path) -> None:
    assert plan({}, state(dataset("thu-ca", tmp_path, [])), claimed=frozenset({"thu-ca"})) == []


def test_an_owner_that_somebody_elses_dataset_names_stays(tmp_path: Path) -> None:
    theirs = replace(dataset("cua-ho", tmp_path, []), managed=False)
    assert plan({}, {**state(theirs), (GROUP, "cu"): listed(GROUP, "cu")}) == [Change(Action.REMOVE, GROUP, "cu")]


def test_too_many_removals_are_refused_with_the_way_out(tmp_path: Path) -> None:
    there = many(tmp_path, 4)
    changes = plan(state(), there)
    with pytest.raises(TooManyRemovals, match="--removals 4") as caught:
        check_removals(changes, there, allowed=None)
    assert caught.value.lasts
    with pytest.raises(TooManyRemovals):
        check_removals(changes, there, allowed=3)
    check_removals(changes, there, allowed=4)


def test_one_removal_needs_no_word(tmp_path: Path) -> None:
    there = many(tmp_path, 4)
    wanted = {key: entry for key, entry in there.items() if entry.name != "thu-00"}
    check_removals(plan(wanted, there), there, allowed=None)


def test_the_same_plan_is_the_same_text_whatever_the_order_it_was_read_in(tmp_path: Path) -> None:
    wanted, there = many(tmp_path, 5), many(tmp_path, 9)
    backwards = dict(reversed(list(there.items())))
    first, second = plan(wanted, there), plan(dict(reversed(list(wanted.items()))), backwards)
    assert as_text(first, [], []) == as_text(second, [], [])
    assert as_text(first, [], []).endswith("plan: 0 to create, 0 to update, 4 to remove")


def test_a_long_difference_is_shown_where_it_begins(tmp_path: Path) -> None:
    there = state(dataset("thu-ca", tmp_path, [], grain="a" * 200 + "b"))
    text = as_text(plan(state(dataset("thu-ca", tmp_path, [], grain="a" * 200 + "c")), there), [], [])
    assert 'aab" → "…a' in text


def changed(folder: Path, changes: int) -> tuple[State, State]:
    """Version 1 of ten rows on the portal, and version 2, to which so many changes lead."""
    rows = [(f"dòng {number}", number) for number in range(10)]
    there, wanted = (dataset("thu-ca", folder, rows, version) for version in (1, 2))
    assert wanted.table
    known = Changes(1, changes, 0, 0, folder / "changes.parquet")
    return state(replace(wanted, table=replace(wanted.table, changes=known))), state(there)


@pytest.mark.parametrize(
    ("changes", "is_whole", "load"),
    [
        (2, True, "+2 ~0 -0 rows, in one transaction"),
        (3, True, "10 rows, built aside and swapped in"),
        (2, False, "10 rows, emptied and filled in batches"),
    ],
)
def test_a_plan_says_how_a_table_gets_there(tmp_path: Path, changes: int, is_whole: bool, load: str) -> None:  # noqa: FBT001
    (change,) = plan(*changed(tmp_path, changes), is_whole=is_whole)
    assert change.load == load
    text = as_text([change], [], [], is_whole=is_whole)
    assert f"    table: {load}" in text
    assert ("what they are given is not proven" in text) is not is_whole


def test_changes_that_lead_from_another_version_are_of_no_use(tmp_path: Path) -> None:
    wanted, there = changed(tmp_path, 1)
    key = (DATASET, "thu-ca")
    table = there[key].table
    assert table
    moved = {**there, key: replace(there[key], table=replace(table, version=Version("thu-ca", 0)))}
    (change,) = plan(wanted, moved)
    assert change.load == "10 rows, built aside and swapped in"


def test_only_the_plan_that_was_seen_is_done(tmp_path: Path) -> None:
    changes = plan(state(dataset("thu-ca", tmp_path, [])), {})
    check_same(changes, [], as_json(changes, []) + "\n")
    with pytest.raises(PlanChanged, match="kho plan"):
        check_same(changes[1:], [], as_json(changes, []))
