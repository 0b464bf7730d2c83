"""How a department delivers a table: the `delivery` block of its contract."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import yaml

from quality.page import Page

KINDS = ("folder", "sftp", "http", "sql")
FILES = ("folder", "sftp")  # kinds that offer files with names
MODES = ("snapshot", "period", "changes")
FREQUENCIES = ("day", "week", "month", "quarter", "year", "irregular", "never")
NUMBERS = ("plain", "vi", "en")  # 1234.56; 1.234,56; 1,234.56
DATES = ("iso", "dd/mm/yyyy", "mm/dd/yyyy")
PERIOD = {"files": "(?P<period>", "resource": "{period}"}  # how each names the period
MODULE = "[a-z][a-z0-9_]*"


@dataclass(frozen=True)
class Delivery:
    """How a department delivers.

    `source` is the kind of place (the word is `from`). There, `files` is a regular expression that the whole path of a
    file must match, with a group `period` where `mode` is period and a group `part` where a delivery is many files;
    `resource` is a path of the department's API, with `{period}` likewise; `query` is one SELECT, whose rows are new
    when their `watermark` has grown.

    Modes: a `snapshot` is the whole state, a `period` stands beside other periods, `changes` are merged by key.
    `numbers` and `dates`: how text cells write them. `crs`: EPSG codes that a map sheet may state. `sheets` must be in
    every workbook; more may be. A delivery is overdue when `due_days` have gone by since the next one was to come.
    """

    source: str
    layout: str
    mode: str
    every: str
    rejected_at_most_pct: float
    files: str = ""
    resource: str = ""
    query: str = ""
    watermark: str = ""
    numbers: str = "plain"
    dates: str = "iso"
    sheets: tuple[str, ...] = ()
    crs: tuple[int, ...] = ()
    due_days: int | None = None


def read_delivery(page: Page, node: yaml.Node, columns: Collection[str]) -> Delivery:
    """The block, with every mistake noted on its line."""
    must = ("from", "layout", "mode", "every", "rejected_at_most_pct")
    may = ("files", "resource", "query", "watermark", "numbers", "dates", "sheets", "crs", "due_days")
    words = page.mapping(node, "delivery", must=must, may=may)
    delivery = Delivery(
        source=page.choice(words.get("from"), "delivery.from", KINDS),
        layout=page.text(words.get("layout"), "delivery.layout", MODULE, "the name of a module of layouts"),
        mode=page.choice(words.get("mode"), "delivery.mode", MODES),
        every=page.choice(words.get("every"), "delivery.every", FREQUENCIES),
        rejected_at_most_pct=page.number(words.get("rejected_at_most_pct"), "delivery.rejected_at_most_pct") or 0,
        files=page.regular(words.get("files"), "delivery.files"),
        resource=page.text(words.get("resource"), "delivery.resource", "/.*", "a path that begins with /"),
        query=page.text(words.get("query"), "delivery.query", r"(?is)\s*select\b[^;]*", "one select, without ;"),
        watermark=page.choice(words.get("watermark"), "delivery.watermark", columns),
        numbers=page.choice(words["numbers"], "delivery.numbers", NUMBERS) if "numbers" in words else "plain",
        dates=page.choice(words["dates"], "delivery.dates", DATES) if "dates" in words else "iso",
        sheets=page.texts(words.get("sheets"), "delivery.sheets"),
        crs=tuple(page.whole(item, "delivery.crs") for item in page.items(words.get("crs"), "delivery.crs")),
        due_days=page.whole(words["due_days"], "delivery.due_days") if "due_days" in words else None,
    )
    if not 0 <= delivery.rejected_at_most_pct <= 100:  # noqa: PLR2004
        page.wrong(words["rejected_at_most_pct"], "delivery.rejected_at_most_pct: expected 0 to 100")
    _right_words(page, node, words, delivery)
    return delivery


def _right_words(page: Page, node: yaml.Node, words: dict[str, yaml.Node], delivery: Delivery) -> None:
    """Each kind of place has words of its own, and each mode its demands on them."""
    own = {"folder": "files", "sftp": "files", "http": "resource", "sql": "query"}
    wanted = own.get(delivery.source)
    if wanted and wanted not in words:
        page.wrong(node, f"delivery: from is {delivery.source}, so {wanted} is missing")
    for word in sorted(set(own.values()) - {wanted}):
        if word in words:
            page.wrong(words[word], f"delivery.{word}: from is {delivery.source}, which has no {word}")
    if (delivery.mode == "changes") != (delivery.source == "sql"):
        page.wrong(words.get("mode", node), "delivery.mode: changes come from sql, and from sql nothing else")
    if (delivery.mode == "changes") != ("watermark" in words):
        page.wrong(words.get("watermark", node), "delivery.watermark: goes with mode changes")
    if wanted in PERIOD and wanted in words:
        names_it = PERIOD[wanted] in getattr(delivery, wanted)
        if delivery.mode == "period" and not names_it:
            page.wrong(words[wanted], f"delivery.{wanted}: mode is period, so it needs {PERIOD[wanted]}…")
        if delivery.mode != "period" and names_it:
            page.wrong(words[wanted], f"delivery.{wanted}: mode is {delivery.mode}, so it has no {PERIOD[wanted]}…")
