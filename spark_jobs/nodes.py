"""What dbt makes: tables and views by name, what each is made of, and which of them a build has to make."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quality.contract import CITY, Contract
from spark_jobs.lineage import behind, is_view
from spark_jobs.marks import fingerprint


@dataclass(frozen=True)
class Node:
    """One table that dbt makes. `name`: the seed's or model's; `nodes`, `raw`: what it is made of, see `Behind`.

    `views`: those that it reads. `is_incremental`: dbt can replace parts of it.
    """

    name: str
    table: str
    nodes: frozenset[str]
    raw: frozenset[str]
    views: frozenset[str] = frozenset()
    is_incremental: bool = False


def nodes_of(contracts: Mapping[str, Contract], project: Path) -> list[Node]:
    """All seeds, then all drafts. A draft whose columns refer to another city table also needs what that is made of."""
    seeds = [path.stem for path in sorted((project / "seeds").glob("*.csv"))]
    lists = [Node(name, f"reference.{name}", frozenset({name}), frozenset()) for name in seeds]
    city = {name: contract for name, contract in contracts.items() if contract.schema == CITY}
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (project / "models").rglob("*.sql")}
    incremental = {name for name, text in texts.items() if "materialized='incremental'" in text}
    made_of = {name: behind(name.replace(".", "__"), project / "models") for name in city}

    def raw(table: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        referred = {column.refers_to.rpartition(".")[0] for column in city[table].columns.values()} & city.keys()
        return made_of[table].raw.union(*(raw(other, seen | {table}) for other in referred - seen - {table}))

    drafts = []
    for table, contract in city.items():
        model = table.replace(".", "__")
        read = behind(model, project / "models", through_tables=False).nodes
        views = frozenset(filter(is_view, read))
        drafts.append(
            Node(model, f"draft.{contract.name}", made_of[table].nodes, raw(table), views, model in incremental)
        )
    return [*lists, *drafts]


def project_files(project: Path) -> dict[str, str]:
    """What dbt reads, by path below `project`: the content of every file, hashed."""
    return {
        str(path.relative_to(project)): fingerprint(path.read_text(encoding="utf-8"))
        for path in sorted(project.rglob("*"))
        if path.is_file() and path.suffix in {".sql", ".yml", ".csv", ".md"}
    }


def inputs_of(
    node: Node, contracts: Mapping[str, Contract], files: Mapping[str, str], raw: Mapping[str, int | None]
) -> str:
    """Fingerprint of all that a table is made of. Macros, tests and settings of the project count for every table."""
    own = {
        path: content
        for path, content in files.items()
        if not path.startswith(("models/", "seeds/")) or path == "seeds/seeds.yml" or Path(path).stem in node.nodes
    }
    said = {
        table: contract.sha256
        for table, contract in contracts.items()
        if table in node.raw or table.replace(".", "__") in node.nodes
    }
    return fingerprint(own, said, {table: raw[table] for table in sorted(node.raw)})


def reading(tables: Collection[str], project: Path) -> list[str]:
    """Models and tests that read one of these departments' tables or models, itself or through views."""
    read = {path.stem: behind(path.stem, project, through_tables=False) for path in project.rglob("*.sql")}
    return sorted(name for name, of in read.items() if not (of.raw | of.nodes - {name}).isdisjoint(tables))


def selected(due: Sequence[Node], tests: Collection[Collection[str]]) -> set[str]:
    """What dbt is to make: what is due, and the views that it or its tests read, for an engine knows none at its start.

    `tests`: what each test reads; dbt asks every test of which something is made.
    """
    chosen = {node.name for node in due}.union(*(node.views for node in due))
    while more := {name for read in tests if chosen.intersection(read) for name in read if is_view(name)} - chosen:
        chosen |= more
    return chosen


def left_out(due: Sequence[Node], waiting: Sequence[Node]) -> list[str]:
    """What tests of what is due may read that cannot be made yet."""
    return sorted(
        {node.name for node in waiting}.union(*(n.nodes for n in waiting)) - {name for n in due for name in n.nodes}
    )
