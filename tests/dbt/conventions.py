"""Conventions of a dbt project, those of dbt-project-evaluator that apply here: each yields what breaks it.

The package comes from a hub that no lock of ours can name, so its rules are told anew, over the manifest. Left out are
those that would say the same twice, and

- test and source directories for what `quality.render` writes: one generated file a contract, in a folder of its own;
- governance: no model here is private, and what a table's columns must be is enforced by `promote`, not by dbt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

LEAVES_AT_MOST = 3
PARENTS_AT_MOST = 6
VIEWS_AT_MOST = 4
GENERATED = "models/_generated"
TABLES = {"table", "incremental"}
_UNREAD = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|--[^\n]*", re.DOTALL)
_NAMED = re.compile(r"(?<!distinct )\b(?:from|join)\s+(`?\w+`?\s*\.\s*`?\w+`?)", re.IGNORECASE)


@dataclass(frozen=True)
class Node:
    """What dbt makes, reads or tests. A source is called `raw_health.facilities`.

    `parents`: by name. `about`: what is said of a source as a whole. `relation`: where it is kept. `test`: the name of
    the generic test that it is.
    """

    name: str
    kind: str
    parents: tuple[str, ...] = ()
    path: str = ""
    code: str = ""
    description: str = ""
    about: str = ""
    materialized: str = ""
    relation: str = ""
    test: str = ""
    is_freshness_stated: bool = False

    @property
    def is_staging(self) -> bool:
        return self.kind == "model" and self.name.startswith("stg_")


Nodes = Mapping[str, Node]
Rule = Callable[[Nodes], Iterator[str]]


def nodes_in(manifest: Mapping[str, Any]) -> dict[str, Node]:
    """By name, what a manifest holds of this project, macros too."""
    parts = ("nodes", "sources", "exposures", "unit_tests", "macros")
    ours = {key: n for part in parts for key, n in manifest[part].items() if n["package_name"] == "kho_mo"}
    names = {
        key: f"{n['source_name']}.{n['name']}" if key.startswith("source.") else n["name"] for key, n in ours.items()
    }
    found = {
        names[key]: Node(
            name=names[key],
            kind=n["resource_type"],
            parents=tuple(names[parent] for parent in manifest["parent_map"].get(key, ())),
            path=n["original_file_path"],
            code=n.get("raw_code") or n.get("macro_sql") or "",
            description=n.get("description") or "",
            about=n.get("source_description") or "",
            materialized=n.get("config", {}).get("materialized") or "",
            relation=n.get("relation_name") or "",
            test=(n.get("test_metadata") or {}).get("name", ""),
            is_freshness_stated=bool((n.get("freshness") or {}).get("warn_after", {}).get("count")),
        )
        for key, n in ours.items()
    }
    if len(found) != len(ours):
        raise ValueError(f"two of one name: {[name for name, count in Counter(names.values()).items() if count > 1]}")
    return found


def _of(nodes: Nodes, *kinds: str) -> Iterator[Node]:
    return (node for node in nodes.values() if node.kind in kinds)


def _children(nodes: Nodes, name: str, *kinds: str) -> list[Node]:
    return [node for node in _of(nodes, *kinds) if name in node.parents]


def _parents(nodes: Nodes, node: Node, *kinds: str) -> list[Node]:
    return [nodes[name] for name in node.parents if nodes[name].kind in kinds]


def staging_reads_one_source_and_nothing_else(nodes: Nodes) -> Iterator[str]:
    for node in _of(nodes, "model"):
        if node.is_staging and [parent.kind for parent in _parents(nodes, node, "model", "seed", "source")] != [
            "source"
        ]:
            yield node.name


def only_staging_reads_sources(nodes: Nodes) -> Iterator[str]:
    for node in _of(nodes, "model"):
        if not node.is_staging and _parents(nodes, node, "source"):
            yield node.name


def no_model_joins_two_sources(nodes: Nodes) -> Iterator[str]:
    return (node.name for node in _of(nodes, "model") if len(_parents(nodes, node, "source")) > 1)


def every_source_is_read_by_one_staging_model(nodes: Nodes) -> Iterator[str]:
    """Neither unused, nor with the same work done twice."""
    for node in _of(nodes, "source"):
        if [child.is_staging for child in _children(nodes, node.name, "model")] != [True]:
            yield node.name


def no_table_is_two_sources(nodes: Nodes) -> Iterator[str]:
    counts = Counter(node.relation for node in _of(nodes, "source"))
    return (node.name for node in _of(nodes, "source") if counts[node.relation] > 1)


def every_model_is_made_of_something(nodes: Nodes) -> Iterator[str]:
    return (node.name for node in _of(nodes, "model") if not node.parents)


def tables_are_never_named_but_referred_to(nodes: Nodes) -> Iterator[str]:
    """`from schema.table` tells dbt nothing, so it would build in the wrong order."""
    for node in _of(nodes, "model", "test", "macro"):
        if found := _NAMED.search(_UNREAD.sub("", node.code)):
            yield f"{node.name}: {found[1]}"


def no_model_ends_in_more_than_three_others(nodes: Nodes) -> Iterator[str]:
    """What so many ends have in common belongs into one of them."""
    for node in _of(nodes, "model"):
        leaves = [c for c in _children(nodes, node.name, "model") if not _children(nodes, c.name, "model")]
        if len(leaves) > LEAVES_AT_MOST:
            yield node.name


def no_model_joins_seven_others(nodes: Nodes) -> Iterator[str]:
    return (node.name for node in _of(nodes, "model") if len(node.parents) > PARENTS_AT_MOST)


def nothing_is_joined_again_to_what_it_came_from(nodes: Nodes) -> Iterator[str]:
    """A → B → C and A → C, where B serves nobody else: B could as well be a part of C."""
    for between in _of(nodes, "model"):
        children = _children(nodes, between.name, "model", "exposure")
        if len(children) == 1 and {p.name for p in _parents(nodes, between, "model")} & set(children[0].parents):
            yield between.name


def views_are_not_stacked_higher_than_four(nodes: Nodes) -> Iterator[str]:
    def height(node: Node) -> int:
        if node.materialized not in {"view", "ephemeral"}:
            return 0
        return 1 + max((height(parent) for parent in _parents(nodes, node, "model")), default=0)

    return (node.name for node in _of(nodes, "model") if height(node) > VIEWS_AT_MOST)


def every_model_has_its_key_tested(nodes: Nodes) -> Iterator[str]:
    for node in _of(nodes, "model"):
        if "unique_together" not in {test.test for test in _children(nodes, node.name, "test")}:
            yield node.name


def everything_is_described(nodes: Nodes) -> Iterator[str]:
    for node in _of(nodes, "model", "source", "seed", "exposure"):
        if not node.description or (node.kind == "source" and not node.about):
            yield node.name


def every_source_states_how_fresh_it_must_be(nodes: Nodes) -> Iterator[str]:
    return (node.name for node in _of(nodes, "source") if not node.is_freshness_stated)


def staging_stands_in_the_folder_of_its_source_and_is_called_after_it(nodes: Nodes) -> Iterator[str]:
    for node in _of(nodes, "model"):
        sources = _parents(nodes, node, "source")
        if sources or node.is_staging:
            department, _, table = sources[0].name.removeprefix("raw_").partition(".") if sources else ("", "", "")
            name = f"stg_{department}__{table}"
            if (node.name, node.path) != (name, f"models/staging/{department}/{name}.sql"):
                yield node.name


def every_other_model_is_of_the_city_in_folder_name_and_table(nodes: Nodes) -> Iterator[str]:
    for node in _of(nodes, "model"):
        expected = (f"models/city/{node.name}.sql", f"draft.{node.name.removeprefix('city__')}")
        if not node.is_staging and (not node.name.startswith("city__") or (node.path, node.relation) != expected):
            yield node.name


def tests_stand_beside_their_models(nodes: Nodes) -> Iterator[str]:
    """Those of one model: dbt's unit tests, and the generic ones."""
    for test in _of(nodes, "unit_test", "test"):
        folder = PurePosixPath(test.path).parent
        if test.kind == "unit_test" or test.test:
            folders = {PurePosixPath(p.path).parent for p in _parents(nodes, test, "model")}
            if str(folder) != GENERATED and folder not in folders:
                yield test.name


def exposures_are_made_of_the_citys_tables(nodes: Nodes) -> Iterator[str]:
    """Never of raw or staging, and of what is kept as a table."""
    for node in _of(nodes, "exposure"):
        parents = [nodes[name] for name in node.parents]
        if not parents or any(not p.name.startswith("city__") or p.materialized not in TABLES for p in parents):
            yield node.name


RULES: tuple[Rule, ...] = (
    staging_reads_one_source_and_nothing_else,
    only_staging_reads_sources,
    no_model_joins_two_sources,
    every_source_is_read_by_one_staging_model,
    no_table_is_two_sources,
    every_model_is_made_of_something,
    tables_are_never_named_but_referred_to,
    no_model_ends_in_more_than_three_others,
    no_model_joins_seven_others,
    nothing_is_joined_again_to_what_it_came_from,
    views_are_not_stacked_higher_than_four,
    every_model_has_its_key_tested,
    everything_is_described,
    every_source_states_how_fresh_it_must_be,
    staging_stands_in_the_folder_of_its_source_and_is_called_after_it,
    every_other_model_is_of_the_city_in_folder_name_and_table,
    tests_stand_beside_their_models,
    exposures_are_made_of_the_citys_tables,
)
