"""Contracts: what each table must be, written once in `contracts/<department or city>/<table>.yml`.

`python -m quality.contract` loads all of them and prints every mistake with its file and line, or nothing.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from quality.catalogue import CONTRACTS, Catalogue, Entry, read_catalogue
from quality.delivery import Delivery, read_delivery
from quality.page import Mistake, Page, Text
from quality.portal import Portal, Source, read_portal
from quality.refusal import Refusal, run

__all__ = [
    "CONTRACTS",
    "Catalogue",
    "Column",
    "Contract",
    "ContractMistakes",
    "Delivery",
    "Entry",
    "Portal",
    "Source",
    "Text",
    "load",
    "load_all",
    "load_catalogue",
]

SEEDS = Path(__file__).resolve().parents[1] / "dbt" / "seeds"
CITY = "city"
# The schemas of analysts; infra/engine/Guard.scala says it once more.
READABLE = (CITY, "open", "reference")
TYPES = ("string", "int", "bigint", "double", "boolean", "date", "timestamp", "geometry")
NUMBERS = ("int", "bigint", "double")
PERSONAL = ("none", "basic", "sensitive")  # the classes of Law 91/2025/QH15; there is no default
LEVELS = ("critical", "warning")
# One row in ten, as of the portal's datasets: a month of the departments changes about 1 % of their rows, a ward that
# is missing from a delivery is 0.6 % of the wards, and a wrong file is most of a table.
REMOVED_AT_MOST_PCT = 10.0
NAME = "[a-z][a-z0-9_]{0,62}"  # PostgreSQL cuts identifiers at 63 bytes; names that begin with _ are the lake's own


@dataclass(frozen=True)
class Column:
    """One column. `required`: never empty. `level`: what happens when a value breaks a rule of this column.

    `heading`: what a department's files call it, any of them; compared without case, accents and line breaks.
    A geometry is well-known binary (WKB).
    """

    name: str
    type: str
    pii: str
    label: Text
    description: Text
    required: bool = True
    between: tuple[float | int | None, float | int | None] | None = None
    one_of: tuple[str, ...] = ()
    matches: str = ""
    refers_to: str = ""  # "schema.table.column"; schema `reference` is a seed of dbt
    level: str = "critical"
    heading: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """What it may be called in a file."""
        return self.heading or (self.name,)


@dataclass(frozen=True)
class Contract:
    """What one table must be. `at_least`: rows, of one delivery for a department's table, of all for a city table.

    `removed_at_most_pct`: the share of a city table's rows that one promotion may remove without a person's word.
    """

    table: str
    path: Path
    title: Text
    description: Text
    grain: str
    owner: str
    key: tuple[str, ...]
    at_least: int
    columns: Mapping[str, Column]
    portal: Portal | None
    delivery: Delivery | None
    sha256: str
    removed_at_most_pct: float = REMOVED_AT_MOST_PCT

    @property
    def schema(self) -> str:
        """The word before the dot: a department, or city."""
        return self.table.partition(".")[0]

    @property
    def name(self) -> str:
        """The word after the dot."""
        return self.table.partition(".")[2]


class ContractMistakes(Refusal):
    """Contracts are wrong: every mistake at once, each with file and line."""

    lasts = True

    def __init__(self, mistakes: Collection[Mistake]) -> None:
        """From at least one mistake."""
        self.mistakes = sorted(mistakes)
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(
            f"{len(self.mistakes)} mistake{'s' if len(self.mistakes) > 1 else ''} in contracts\n{lines}",
            remedy="correct the lines named; nothing was read or changed",
        )


def load(path: Path) -> Contract:
    """One contract, checked against the catalogue two folders up. Raises ContractMistakes with all of its mistakes."""
    catalogue, mistakes = read_catalogue(path.parents[1])
    contract, wrong = _read(path, catalogue)
    if mistakes or wrong:
        raise ContractMistakes([*mistakes, *wrong])
    return contract


def load_all(folder: Path = CONTRACTS, seeds: Path = SEEDS) -> dict[str, Contract]:
    """Every contract of a folder by its table, also checked against each other and against the seeds they refer to."""
    catalogue, mistakes = read_catalogue(folder)
    paths = sorted(folder.glob("*/*.yml"))
    if not paths:
        raise Refusal("there are no contracts", where=str(folder), expected="<department>/<table>.yml", found="none")
    contracts = {}
    for path in paths:
        contract, wrong = _read(path, catalogue)
        contracts[contract.table] = contract
        mistakes += wrong
    mistakes += [mistake for contract in contracts.values() for mistake in _across(contract, contracts, seeds)]
    if mistakes:
        raise ContractMistakes(mistakes)
    return contracts


def load_catalogue(folder: Path = CONTRACTS) -> Catalogue:
    """The organisations, groups and licences that contracts may name."""
    catalogue, mistakes = read_catalogue(folder)
    if mistakes:
        raise ContractMistakes(mistakes)
    return catalogue


def _read(path: Path, catalogue: Catalogue) -> tuple[Contract, list[Mistake]]:
    page = Page(path)
    is_city = path.parent.name == CITY
    must = ["title", "description", "grain", "owner", "key", "at_least", "columns", *([] if is_city else ["delivery"])]
    words = page.mapping(page.root(), "contract", must, may=["portal", "removed_at_most_pct"] if is_city else [])
    title = page.bilingual(words.get("title"), "title")
    columns = {
        name: _column(page, name, node)
        for name, node in page.mapping(words.get("columns"), "columns", may=None).items()
    }
    if "columns" in words and not columns:
        page.wrong(words["columns"], "columns: there are none")
    key = page.texts(words.get("key"), "key")
    if "key" in words and not key:
        page.wrong(words["key"], "key: names no column")
    page.known(words.get("key"), "key", columns)
    portal = read_portal(page, words["portal"], title, columns, catalogue) if is_city and "portal" in words else None
    if portal and (left_out := [name for name in key if name in columns and name not in portal.columns]):
        page.wrong(words["portal"], f"portal.columns: the key's {', '.join(left_out)} must be among them")
    contract = Contract(
        table=f"{path.parent.name}.{path.stem}",
        path=path,
        title=title,
        description=page.bilingual(words.get("description"), "description"),
        grain=page.text(words.get("grain"), "grain"),
        owner=page.choice(words.get("owner"), "owner", catalogue.organisations),
        key=key,
        at_least=page.whole(words.get("at_least"), "at_least"),
        columns=columns,
        portal=portal,
        delivery=read_delivery(page, words["delivery"], columns) if not is_city and "delivery" in words else None,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        removed_at_most_pct=_removed_at_most_pct(page, words.get("removed_at_most_pct") if is_city else None),
    )
    return contract, page.mistakes


def _removed_at_most_pct(page: Page, node: yaml.Node | None) -> float:
    if node is None:
        return REMOVED_AT_MOST_PCT
    share = page.number(node, "removed_at_most_pct")
    if node.tag.endswith(":null") or not 0 <= (share or 0) <= 100:  # noqa: PLR2004
        page.wrong(node, "removed_at_most_pct: expected 0 to 100")
    return share or 0


def _column(page: Page, name: str, node: yaml.Node) -> Column:
    where = f"columns.{name}"
    if not re.fullmatch(NAME, name):
        page.wrong(node, f"{where}: expected lower-case letters, digits and _, a letter first, 63 at most")
    words = page.mapping(
        node,
        where,
        must=("type", "pii", "label", "description"),
        may=("required", "between", "one_of", "matches", "refers_to", "level", "heading"),
    )
    column = Column(
        name=name,
        type=page.choice(words.get("type"), f"{where}.type", TYPES),
        pii=page.choice(words.get("pii"), f"{where}.pii", PERSONAL),
        label=page.bilingual(words.get("label"), f"{where}.label"),
        description=page.bilingual(words.get("description"), f"{where}.description"),
        required=page.truth(words.get("required"), f"{where}.required", default=True),
        between=_between(page, words.get("between"), f"{where}.between"),
        one_of=page.texts(words.get("one_of"), f"{where}.one_of"),
        matches=page.regular(words.get("matches"), f"{where}.matches"),
        refers_to=page.text(
            words.get("refers_to"), f"{where}.refers_to", rf"{NAME}\.{NAME}\.{NAME}", "schema.table.column"
        ),
        level=page.choice(words["level"], f"{where}.level", LEVELS) if "level" in words else "critical",
        heading=page.texts(words.get("heading"), f"{where}.heading"),
    )
    if column.between and column.type not in NUMBERS:
        page.wrong(words["between"], f"{where}.between: only for {', '.join(NUMBERS)}; this column is {column.type}")
    for word in ("matches", "one_of"):
        if word in words and column.type != "string":
            page.wrong(words[word], f"{where}.{word}: only for string; this column is {column.type}")
    return column


def _between(page: Page, node: yaml.Node | None, where: str) -> tuple[float | int | None, float | int | None] | None:
    if node is None:
        return None
    items = page.items(node, where)
    if len(items) != 2:  # noqa: PLR2004  a lowest and a highest
        page.wrong(node, f"{where}: expected [lowest, highest], null for none")
        return None
    low, high = (page.number(item, where) for item in items)
    if low is None and high is None:
        page.wrong(node, f"{where}: one of the two must be a number")
    if low is not None and high is not None and low > high:
        page.wrong(node, f"{where}: {low} is above {high}")
    return low, high


def _across(contract: Contract, contracts: Mapping[str, Contract], seeds: Path) -> list[Mistake]:
    """What only shows beside the others: columns referred to, and a dataset that two tables claim."""
    page = Page(contract.path)
    for column in contract.columns.values():
        if column.refers_to.count(".") == 2:  # noqa: PLR2004  schema.table.column
            schema, table, name = column.refers_to.split(".")
            known = (
                _seed_columns(seeds / f"{table}.csv") if schema == "reference" else _columns(contracts, schema, table)
            )
            if known is None:
                _note(page, column.refers_to, f"columns.{column.name}.refers_to: there is no table {schema}.{table}")
            elif name not in known:
                _note(
                    page, column.refers_to, f"columns.{column.name}.refers_to: {schema}.{table} has no column {name!r}"
                )
    if contract.portal:
        twins = [c.table for c in contracts.values() if c.portal and c.portal.dataset == contract.portal.dataset]
        if contract.portal.dataset and contract.table != twins[0]:
            _note(page, contract.portal.dataset, f"portal.dataset: {contract.portal.dataset} is also {twins[0]}'s")
    return page.mistakes


def _columns(contracts: Mapping[str, Contract], schema: str, table: str) -> Collection[str] | None:
    contract = contracts.get(f"{schema}.{table}")
    return contract.columns if contract else None


def _seed_columns(path: Path) -> Collection[str] | None:
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as lines:
        return lines.readline().strip().split(",")


def _note(page: Page, text: str, what: str) -> None:
    """A mistake on the first line that holds `text`: the nodes are gone by the time contracts are compared."""
    lines = page.path.read_text(encoding="utf-8").splitlines()
    line = next((number for number, found in enumerate(lines, 1) if text in found), 1)
    page.mistakes.append(Mistake(page.path, line, what))


def main() -> None:
    """Load everything; mistakes are raised."""
    print(f"contracts: {len(load_all())}, no mistakes")


if __name__ == "__main__":
    sys.exit(run(main))
