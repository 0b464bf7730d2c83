"""Which extracts a table was made from: dbt's models say from which raw tables, the raw tables' logs say the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spark_jobs import raw
from spark_jobs.extracts import Extract, extracts_of
from spark_jobs.session import delta_table

MODELS = Path(__file__).resolve().parents[1] / "dbt" / "models"
_REF = re.compile(r"\{\{\s*ref\(\s*'(\w+)'\s*\)\s*\}\}")
_SOURCE = re.compile(r"\{\{\s*source\(\s*'raw_(\w+)'\s*,\s*'(\w+)'\s*\)\s*\}\}")


@dataclass(frozen=True)
class Behind:
    """What a dbt model is made of: models and seeds by name, itself among them; departments' tables by theirs."""

    nodes: frozenset[str]
    raw: frozenset[str]


def is_view(model: str) -> bool:
    """Whether a model is one that is not kept: staging is."""
    return model.startswith("stg_")


def behind(model: str, models: Path = MODELS, *, through_tables: bool = True) -> Behind:
    """All that a dbt model reads, through all the models between, or through those alone that are views.

    What a macro reads, the model says in a comment.
    """
    paths = {path.stem: path for path in models.rglob("*.sql")}
    raw: set[str] = set()
    waiting, seen = {model}, set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name in paths and (through_tables or name == model or is_view(name)):  # else it is a seed
            text = paths[name].read_text(encoding="utf-8")
            raw |= {".".join(match) for match in _SOURCE.findall(text)}
            waiting |= set(_REF.findall(text)) - seen
    return Behind(frozenset(seen), frozenset(raw))


def extracts_behind(lake: Path, warehouse: str, table: str, draft_version: int) -> list[dict[str, str]]:
    """What the raw tables held when this version of a draft (`city.disease_cases`) was built; sorted."""
    log = delta_table(warehouse, f"draft.{table.partition('.')[2]}")
    history = log.history() if log else []
    built = next((entry["timestamp"] for entry in history if entry["version"] == draft_version), None)
    found: list[dict[str, str]] = []
    for source in sorted(behind(table.replace(".", "__")).raw):
        files = {e.sha256: _named(e) for extracts in extracts_of(lake, source).values() for e in extracts}
        for period, commit in sorted(raw.contained(warehouse, f"raw_{source}", until=built).items()):
            found.append({"table": source, "period": period, "sha256": commit.extract, "file": files[commit.extract]})
    return found


def _named(extract: Extract) -> str:
    return extract.files[0].name if len(extract.files) == 1 else f"{len(extract.files):,} files"
