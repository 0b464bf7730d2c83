"""How a portal holds what we say of a dataset, an organisation, a group or a file.

With our extension each is a field of its own. Any other CKAN has fields for few of them and forgets what else it is
told: there the others are extras, which are texts; objects are written into them as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from portal_sync.portal import Fields

_CKANS_OWN = frozenset(
    ("title", "notes", "description", "license_id", "owner_org", "tags", "groups", "private", "state"),
)
_OBJECT = "_translated"  # how the names of fields end that hold one


def as_fields(held: Mapping[str, Any]) -> dict[str, Any]:
    """What CKAN shows, of either portal."""
    extras = {extra["key"]: extra["value"] for extra in held.get("extras") or []}
    return {name: _parsed(value) if name.endswith(_OBJECT) else value for name, value in {**extras, **held}.items()}


def as_extras(fields: Fields, held: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same fields for a CKAN without our extension. `held`: what it shows now, for others may have extras there."""
    own = {name: value for name, value in fields.items() if name in _CKANS_OWN}
    kept = {extra["key"]: extra["value"] for extra in (held or {}).get("extras") or []}
    kept |= {name: as_text(value) for name, value in fields.items() if name not in own}
    return {**own, "extras": [{"key": key, "value": value} for key, value in sorted(kept.items()) if value]}


def as_text(value: Any) -> str:
    """Where CKAN takes texts only."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):  # what somebody has written there by hand is a text, and not ours
            return json.loads(value)
    return value
