"""How a table stands on the portal: the `portal` block of its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from quality.catalogue import SLUG, Catalogue
from quality.delivery import FREQUENCIES
from quality.page import Page, Text

if TYPE_CHECKING:
    from quality.contract import Column

HISTORY_DAYS = 3650  # ten years: who quotes a figure can be checked long after


@dataclass(frozen=True)
class Source:
    """Whose figures these are, said on the portal."""

    title: Text
    url: str


@dataclass(frozen=True)
class Portal:
    """How a table stands on the portal.

    `columns` is an allow-list. `point`: the columns of a row's longitude and latitude (WGS 84, degrees), for maps.
    `history_days`: how long a version can still be downloaded after the next one took its place.
    """

    dataset: str
    title: Text
    columns: tuple[str, ...]
    group: str
    licence: str
    frequency: str
    source: Source
    tags: tuple[Text, ...]
    cautions: tuple[Text, ...]
    point: tuple[str, str] | None = None
    history_days: int = HISTORY_DAYS


def read_portal(
    page: Page, node: yaml.Node, title: Text, columns: Mapping[str, Column], catalogue: Catalogue
) -> Portal:
    """The block, with every mistake noted on its line. `title` is the table's, for a dataset without one of its own."""
    must = ("dataset", "columns", "group", "licence", "frequency", "source", "tags", "cautions")
    words = page.mapping(node, "portal", must, may=("title", "point", "history_days"))
    source = page.mapping(words.get("source"), "portal.source", must=("title", "url"))
    page.known(words.get("columns"), "portal.columns", columns)
    for item in page.items(words.get("columns"), "portal.columns"):
        column = columns.get(str(item.value))
        if column and column.pii not in ("none", ""):
            page.wrong(item, f"portal.columns: {column.name} is personal (pii: {column.pii}) and is never published")
    published = page.texts(words.get("columns"), "portal.columns")
    return Portal(
        dataset=page.text(words.get("dataset"), "portal.dataset", SLUG, "lower-case letters, digits and -"),
        title=page.bilingual(words["title"], "portal.title") if "title" in words else title,
        columns=published,
        group=page.choice(words.get("group"), "portal.group", catalogue.groups),
        licence=page.choice(words.get("licence"), "portal.licence", catalogue.licences),
        frequency=page.choice(words.get("frequency"), "portal.frequency", FREQUENCIES),
        source=Source(
            page.bilingual(source.get("title"), "portal.source.title"),
            page.text(source.get("url"), "portal.source.url", "https?://.+", "an http address"),
        ),
        tags=tuple(page.bilingual(item, "portal.tags") for item in page.items(words.get("tags"), "portal.tags")),
        cautions=tuple(
            page.bilingual(item, "portal.cautions") for item in page.items(words.get("cautions"), "portal.cautions")
        ),
        point=_point(page, words["point"], {name: columns[name] for name in published if name in columns})
        if "point" in words
        else None,
        history_days=page.whole(words["history_days"], "portal.history_days")
        if "history_days" in words
        else HISTORY_DAYS,
    )


def _point(page: Page, node: yaml.Node, published: Mapping[str, Column]) -> tuple[str, str] | None:
    names = page.texts(node, "portal.point")
    kinds = [published[name].type if name in published else "not published" for name in names]
    if kinds != ["double", "double"]:
        found = ", ".join(f"{name} ({kind})" for name, kind in zip(names, kinds, strict=True)) or "none"
        page.wrong(
            node, f"portal.point: expected [longitude, latitude], two published columns of doubles; found {found}"
        )
        return None
    return names[0], names[1]
