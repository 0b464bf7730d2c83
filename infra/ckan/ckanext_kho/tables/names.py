"""The names of what is built beside a resource's table, and those that the DataStore would give.

A shadow's name begins with `_`: the DataStore lists every other table as one of the portal. Indexes need the very
names that CKAN makes, or it would build them a second time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from secrets import token_hex

from ckanext.datastore.backend.postgres import _generate_index_name, identifier

NEW, OLD, STAGED = "_new_", "_old_", "_stg_"


def fresh_staged(resource: str) -> str:
    """A name that no other load has."""
    return f"{STAGED}{resource}_{token_hex(4)}"


def is_staged(name: str, resource: str) -> bool:
    """Whether a name is one of those."""
    return re.fullmatch(rf"{STAGED}{re.escape(resource)}_[0-9a-f]{{8}}", name) is not None


def known_words(staged: str, number: int) -> str:
    """Of one of its columns, beside a staged table."""
    return f"{staged}_{number}"


def staged_of(resource: str) -> str:
    """A pattern of `like` for every staged table of a resource, and what stands beside it."""
    return f"{STAGED}{resource}".replace("_", r"\_") + r"\_%"


def alongside(index: str, table: str) -> str:
    """The name of an index when its table is called `table`: both begin alike."""
    prefix = next((prefix for prefix in (NEW, OLD) if table.startswith(prefix)), "")
    return prefix + index.removeprefix(NEW).removeprefix(OLD)


def primary(table: str) -> str:
    """The constraint and the index of `_id`."""
    return f"{table}_pkey"


def sequence(table: str) -> str:
    """What numbers the rows."""
    return f"{table}__id_seq"


def full_text_index(resource: str) -> str:
    """The index of all words."""
    return str(_generate_index_name(resource, identifier("_full_text")))


def key_index(resource: str, key: Sequence[str]) -> str:
    """The unique index of the key."""
    return str(_generate_index_name(resource, ", ".join(identifier(name) for name in key)))
