"""Whom and what contracts speak of: organisations, groups and licences, from `contracts/catalogue.yml`.

There too: which datasets end, when and why (`retired`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml

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
class Retired:
    """The end of a dataset: announced from the day it is written here, and from `on` its data is no longer published.

    `successor` is the dataset that takes its place, such as the one of a table whose columns had to change.
    """

    dataset: str
    on: date
    reason: Text
    successor: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Every entry by its id, which is also its name on the portal."""

    organisations: Mapping[str, Entry]
    groups: Mapping[str, Entry]
    licences: Mapping[str, Entry]
    retired: Mapping[str, Retired] = field(default_factory=dict)


def read_catalogue(folder: Path) -> tuple[Catalogue, list[Mistake]]:
    """The catalogue of a folder of contracts, and everything that is wrong with it."""
    page = Page(folder / "catalogue.yml")
    words = page.mapping(page.root(), "catalogue", must=("organisations", "groups", "licences"), may=("retired",))
    sections = {name: _entries(page, words, name) for name in ("organisations", "groups", "licences")}
    return Catalogue(**sections, retired=_retired(page, words.get("retired"))), page.mistakes


def _retired(page: Page, node: yaml.Node | None) -> dict[str, Retired]:
    found = {}
    for dataset, value in page.mapping(node, "retired", may=None).items():
        where = f"retired.{dataset}"
        words = page.mapping(value, where, must=("on", "reason"), may=("successor",))
        found[dataset] = Retired(
            dataset,
            page.day(words.get("on"), f"{where}.on"),
            page.bilingual(words.get("reason"), f"{where}.reason"),
            page.text(words.get("successor"), f"{where}.successor", SLUG, "lower-case letters, digits and -"),
        )
    return found


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
