"""Whom and what contracts speak of: organisations, groups and licences, from `contracts/catalogue.yml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quality.page import Mistake, Page, Text

CONTRACTS = Path(__file__).with_name("contracts")
SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"


@dataclass(frozen=True)
class Entry:
    """An organisation, a group or a licence. `code` is the agency identifier (…H29) where the text of it was seen."""

    id: str
    title: Text
    description: Text
    code: str = ""
    url: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Every entry by its id, which is also its name on the portal."""

    organisations: Mapping[str, Entry]
    groups: Mapping[str, Entry]
    licences: Mapping[str, Entry]


def read_catalogue(folder: Path) -> tuple[Catalogue, list[Mistake]]:
    """The catalogue of a folder of contracts, and everything that is wrong with it."""
    page = Page(folder / "catalogue.yml")
    words = page.mapping(page.root(), "catalogue", must=("organisations", "groups", "licences"))
    sections = {name: _entries(page, words, name) for name in ("organisations", "groups", "licences")}
    return Catalogue(**sections), page.mistakes


def _entries(page: Page, words: Mapping[str, object], section: str) -> dict[str, Entry]:
    node = words.get(section)
    entries = {}
    for name, value in page.mapping(node, section, may=None).items():  # type: ignore[arg-type]
        where = f"{section}.{name}"
        found = page.mapping(value, where, must=("title", "description"), may=("code", "url"))
        entries[name] = Entry(
            name,
            page.bilingual(found.get("title"), f"{where}.title"),
            page.bilingual(found.get("description"), f"{where}.description"),
            page.text(found.get("code"), f"{where}.code"),
            page.text(found.get("url"), f"{where}.url", form="https?://.+", means="an http address"),
        )
    return entries
