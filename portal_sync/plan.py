"""The plan: what must change so that the portal holds what we publish, and nothing of ours besides. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from itertools import takewhile
from typing import Any

from portal_sync.edits import WRITTEN, Edit
from portal_sync.portal import DATASET, GROUP, ORGANISATION, Content, Entry, State, Table, patch_for
from quality.refusal import Refusal

_ORDER = {ORGANISATION: 0, GROUP: 1, DATASET: 2}
_SHOWN = 60  # characters of a text in a printed plan


class Action(Enum):
    """What is done to an entry, with its sign in a printed plan."""

    CREATE = "+"
    UPDATE = "~"
    REMOVE = "-"


class NotOurs(Refusal):
    """Something on the portal has our name but not our mark."""


class PlanChanged(Refusal):
    """What would be done now is not what somebody looked at."""


class TooManyRemovals(Refusal):
    """A plan that removes more than somebody can have meant by accident."""

    lasts = True


@dataclass(frozen=True)
class Reason:
    """One difference: which field, what the portal has, what it must have."""

    field: str
    actual: Any
    desired: Any


@dataclass(frozen=True)
class Change:
    """One thing to do, and why. An entry that is made has no reasons: it is not there.

    `load`: how its table gets there, if it is loaded.
    """

    action: Action
    kind: str
    name: str
    reasons: tuple[Reason, ...] = ()
    load: str = ""


_WEAKER = (
    "! portal: a CKAN without our extension: readers see a table empty, then grow; what they are given is not proven;"
    " earlier versions and the history are not kept; Vietnamese is not found without its accents"
)


def plan(
    desired: State, actual: State, claimed: frozenset[str] = frozenset(), *, is_whole: bool = True
) -> list[Change]:
    """Changes in the order in which they can be carried out. `claimed` datasets stay, also without an export.

    `is_whole`: the portal has our extension, which loads tables whole.
    """
    foreign = sorted(key for key in desired.keys() & actual.keys() if not actual[key].managed)
    if foreign:
        raise NotOurs(
            "the portal has entries of these names that somebody else made",
            expected="our mark (managed_by: kho), or no such name",
            found=", ".join(f"{kind} {name}" for kind, name in foreign),
            remedy="rename ours in its contract, or set managed_by to kho on the portal by hand to hand it over to us",
        )
    creates = [
        Change(Action.CREATE, *key, load=_load(desired[key], None, is_whole=is_whole))
        for key in desired.keys() - actual.keys()
        if desired[key].content is Content.OURS  # of what has ended and is not there, nothing need be said
    ]
    both = {key: tuple(differences(desired[key], actual[key])) for key in desired.keys() & actual.keys()}
    updates = [
        Change(Action.UPDATE, *key, reasons, _load(desired[key], actual[key], is_whole=is_whole))
        for key, reasons in both.items()
        if reasons
    ]
    removes = [
        Change(Action.REMOVE, *key)
        for key in actual.keys() - desired.keys()
        if actual[key].managed and not _is_needed(actual[key], actual, claimed)
    ]
    makes = sorted(creates + updates, key=lambda change: (_ORDER[change.kind], change.name))
    return makes + sorted(removes, key=lambda change: (-_ORDER[change.kind], change.name))


def _is_needed(entry: Entry, actual: State, claimed: frozenset[str]) -> bool:
    """A dataset that a contract claims; an organisation or group that a dataset which stays still names."""
    if entry.kind == DATASET:
        return entry.name in claimed
    users = [e for e in actual.values() if e.kind == DATASET and (not e.managed or e.name in claimed)]
    return any(entry.name in (user.fields["owner_org"], *user.fields["groups"]) for user in users)


def differences(desired: Entry, actual: Entry) -> Iterator[Reason]:
    """Field by field, in the order of their names; then files, then the table."""
    for field in sorted(desired.fields):
        if desired.fields[field] != actual.fields.get(field, ""):
            yield Reason(field, actual.fields.get(field, ""), desired.fields[field])
    if actual.state != desired.state:
        yield Reason("state", actual.state, desired.state)
    if desired.content is not Content.AS_IT_IS:
        yield from _file_differences(desired, actual)
        yield from _table_differences(desired, actual)


def _file_differences(desired: Entry, actual: Entry) -> Iterator[Reason]:
    for name in sorted(desired.files.keys() | actual.files.keys()):
        ours, theirs = desired.files.get(name), actual.files.get(name)
        if ours is None or theirs is None:
            yield Reason(f"file {name}", "there" if theirs else "absent", "there" if ours else "absent")
            continue
        if ours.sha256 != theirs.sha256:
            yield Reason(f"file {name} sha256", theirs.sha256, ours.sha256)
        for field in sorted(ours.fields):
            if ours.fields[field] != theirs.fields.get(field, ""):
                yield Reason(f"file {name} {field}", theirs.fields.get(field, ""), ours.fields[field])


def _table_differences(desired: Entry, actual: Entry) -> Iterator[Reason]:
    ours, theirs = desired.table, actual.table
    if ours is None:
        return
    if theirs is None or ours.version != theirs.version:
        yield Reason("table version", str(theirs.version or "unknown") if theirs else "none", str(ours.version))
    yield from _column_differences(ours, theirs)


def _column_differences(ours: Table, theirs: Table | None) -> Iterator[Reason]:
    """Columns that are added, removed or of another type; else the dictionary. Of a stock CKAN no columns are known."""
    if theirs is None:
        return
    before, after = ({column.name: column.type for column in table.columns} for table in (theirs, ours))
    if before and before != after:
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield Reason(f"column {name}", before.get(name, "absent"), after.get(name, "absent"))
    elif ours.form != theirs.form and (theirs.form or ours.version == theirs.version):
        yield Reason("dictionary", theirs.form, ours.form)


def _load(desired: Entry, actual: Entry | None, *, is_whole: bool) -> str:
    """How the table gets from the one version to the other; nothing if it stays."""
    ours, theirs = desired.table, actual.table if actual else None
    if ours is None or (theirs and theirs.version == ours.version):
        return ""
    if not is_whole:
        return f"{ours.content['rows']:,} rows, emptied and filled in batches"
    if changes := patch_for(ours, theirs):
        return f"+{changes.inserted:,} ~{changes.updated:,} -{changes.deleted:,} rows, in one transaction"
    return f"{ours.content['rows']:,} rows, built aside and swapped in"


def check_removals(changes: list[Change], actual: State, allowed: int | None) -> None:
    """Refuse to remove more than one dataset in ten (and more than one) of ours, unless told just that number."""
    removals = [change.name for change in changes if change.action is Action.REMOVE and change.kind == DATASET]
    ours = sum(1 for entry in actual.values() if entry.kind == DATASET and entry.managed)
    if len(removals) > max(1, ours // 10) and len(removals) != allowed:
        raise TooManyRemovals(
            f"the plan removes {len(removals)} of our {ours} datasets",
            expected=f"at most {max(1, ours // 10)}",
            found=", ".join(removals),
            remedy=f"see that the contracts are all there; if this is meant, `kho apply --removals {len(removals)}`",
        )


def check_same(changes: list[Change], edited: list[Edit], seen: str) -> None:
    """Refuse to do what is not the plan that was seen, in the form that `as_json` gives it."""
    if as_json(changes, edited).strip() == seen.strip():
        return
    raise PlanChanged(
        "the plan is not the one that was seen",
        expected="what `kho plan --json` printed then",
        found="another plan: the portal, a contract or an export has changed since",
        remedy="look at `kho plan` again",
    )


def as_text(changes: list[Change], unfinished: list[str], edited: list[Edit], *, is_whole: bool = True) -> str:
    """The plan for a person. The same plan is the same text. `edited` are left as they are."""
    lines = []
    for change in changes:
        lines.append(f"{change.action.value} {change.kind} {change.name}")
        lines += [f"    {_shown(reason)}" for reason in change.reasons if reason.field != WRITTEN]
        lines += [f"    table: {change.load}"] if change.load else []
    lines += [f"! dataset {name}: in its contract, but there is no export yet; left as it is" for name in unfinished]
    lines += map(told, edited)
    lines += [] if is_whole else [_WEAKER]
    counts = [f"{sum(1 for c in changes if c.action is action)} to {action.name.lower()}" for action in Action]
    lines.append(f"plan: {', '.join(counts)}")
    return "\n".join(lines)


def told(edit: Edit) -> str:
    """Of an edit that is left alone: what it is, and both ways on."""
    texts = _both_sides(edit.theirs, edit.ours)
    return (
        f"! dataset {edit.dataset}: {edit.field} was edited on the portal: {texts[0]}, in its contract {texts[1]};"
        f" left as it is: write it into the contract, or `kho apply --overwrite {edit.dataset}`"
    )


def as_json(changes: list[Change], edited: list[Edit]) -> str:
    """The plan for a program."""
    plan = {
        "changes": [{**asdict(change), "action": change.action.name.lower()} for change in changes],
        "edited": [asdict(edit) for edit in edited],
    }
    return json.dumps(plan, ensure_ascii=False, indent=1)


def _shown(reason: Reason) -> str:
    return f"{reason.field}: {' → '.join(_both_sides(reason.actual, reason.desired))}"


def _both_sides(before: object, after: object) -> tuple[str, str]:
    """From shortly before the place where they begin to differ."""
    before, after = _as_line(before), _as_line(after)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    start = max(0, same - _SHOWN // 4) if max(len(before), len(after)) > _SHOWN else 0
    return _cut(before, start), _cut(after, start)


def _as_line(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _cut(text: str, start: int) -> str:
    end = start + _SHOWN
    return f'"{"…" if start else ""}{text[start:end]}{"…" if len(text) > end else ""}"'
