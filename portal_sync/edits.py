"""What somebody has edited by hand on the portal: told, and left as it is until a person has chosen.

We write on a dataset what we last wrote (`kho_written`, a digest of each text). A text that is neither that nor what
its contract says is somebody's edit. To adopt it is to put it into the contract; to lose it is `--overwrite DATASET`.
Only texts for people are left: what speaks of the data is always ours. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from portal_sync.portal import DATASET, Fields, State

WRITTEN = "kho_written"
_TEXTS = (
    *("title", "title_translated", "notes", "notes_translated", "tags", "tags_translated", "license_id", "groups"),
    *("frequency", "source_title", "source_title_translated", "source_url", "cautions_translated"),
)


@dataclass(frozen=True)
class Edit:
    """A text of a dataset that is not ours."""

    dataset: str
    field: str
    theirs: Any
    ours: Any


def written(fields: Fields) -> str:
    """What to keep on a dataset of what we write."""
    return json.dumps({name: _digest(fields[name]) for name in _TEXTS if name in fields})


def edits(desired: State, actual: State) -> list[Edit]:
    """Every text that somebody has edited, by dataset and field."""
    found = []
    for key in sorted(desired.keys() & actual.keys()):
        ours, theirs = desired[key].fields, actual[key].fields
        last = _last_written(theirs) if key[0] == DATASET else {}
        found += [
            Edit(key[1], name, theirs[name], ours[name])
            for name in sorted(ours.keys() & last.keys())
            if theirs[name] != ours[name] and _digest(theirs[name]) != last[name]
        ]
    return found


def _last_written(fields: Fields) -> dict[str, str]:
    """Nothing, if we have not yet, or somebody has edited that too."""
    try:
        last = json.loads(fields.get(WRITTEN) or "{}")
    except ValueError:
        return {}
    return last if isinstance(last, dict) else {}


def left_alone(desired: State, found: Collection[Edit]) -> State:
    """What is wanted if edits stay."""
    wanted = dict(desired)
    for edit in found:
        entry = wanted[DATASET, edit.dataset]
        wanted[DATASET, edit.dataset] = replace(entry, fields={**entry.fields, edit.field: edit.theirs})
    return wanted


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:12]
