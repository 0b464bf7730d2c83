"""Extracts: the bytes a department delivered, unchanged for ever.

They lie in `$KHO_LAKE/extracts/<department>/<table>/<period>/<sequence>/`, each with its `extract.json`. The first
delivery of a period is 0001; the same period with other bytes is a correction and gets the next number. A delivery may
be many files (map sheets, workbooks): those that did not change lie where they were first fetched to.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from quality.refusal import Refusal

MANIFEST = "extract.json"
ALL = "all"  # the one period of a table that has none


@dataclass(frozen=True)
class File:
    """One delivered file. `stamp` told without reading that it changed; `stands_in`: `<period>/<sequence>`."""

    name: str
    offer: str
    stamp: str
    size: int
    sha256: str
    stands_in: str


@dataclass(frozen=True)
class Extract:
    """What stands in `extract.json`: one delivery, whole. `sha256` is that of its files' names and contents."""

    table: str
    period: str
    sequence: int
    source: str
    sha256: str
    fetched_at: str
    files: tuple[File, ...]

    def folder(self, lake: Path) -> Path:
        """Where its manifest and its new files lie."""
        return period_folder(lake, self.table, self.period) / f"{self.sequence:04d}"

    def path(self, lake: Path, file: File) -> Path:
        """One delivered file."""
        return period_folder(lake, self.table, "") / file.stands_in / file.name

    def to_json(self) -> str:
        """The text of `extract.json`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def period_folder(lake: Path, table: str, period: str) -> Path:
    """All deliveries of a period."""
    department, _, name = table.partition(".")
    return lake / "extracts" / department / name / period


def read_extract(path: Path) -> Extract:
    """The extract of a manifest."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Extract(**{**found, "files": tuple(File(**file) for file in found["files"])})


def extracts_of(lake: Path, table: str) -> dict[str, list[Extract]]:
    """Every extract of a table by period, both in order; the newest stands last."""
    found: dict[str, list[Extract]] = {}
    for path in sorted(period_folder(lake, table, "").glob(f"*/[0-9]*/{MANIFEST}")):
        extract = read_extract(path)
        found.setdefault(extract.period, []).append(extract)
    return {period: sorted(extracts, key=lambda extract: extract.sequence) for period, extracts in found.items()}


def changed_files(extract: Extract, base: Extract | None) -> frozenset[str] | None:
    """The names of the files that are other in a delivery than in one before it, or gone; None when all may be."""
    before = {file.name: file.sha256 for file in base.files} if base else {}
    now = {file.name: file.sha256 for file in extract.files}
    same = {name for name, sha256 in now.items() if before.get(name) == sha256}
    changed = frozenset((before.keys() | now.keys()) - same)
    return changed if same and changed else None


def refuse_unknown_period(lake: Path, table: str, period: str, extracts: Collection[str]) -> None:
    """Raise if nothing was fetched for a period; `extracts` are those for which something was."""
    if period not in extracts:
        raise Refusal(
            f"there is no extract of {table} for {period}",
            where=str(lake / "extracts"),
            expected=f"one of {', '.join(sorted(extracts)) or 'none yet'}",
            found=period,
            remedy=f"`./kho fetch {table}` brings it, if the department has it",
        )


def is_alike(period: str, others: Iterable[str]) -> bool:
    """Whether a period is written as a table's own are: 2017 is no week, 2026-W40 no year."""
    return any(re.sub("[0-9]", "9", period) == re.sub("[0-9]", "9", other) for other in others)


def sha256_of(files: Iterable[File]) -> str:
    """One hash for a whole delivery: of one file its own, so that anybody can check it with sha256sum."""
    hashes = sorted((file.name, file.sha256) for file in files)
    return hashes[0][1] if len(hashes) == 1 else hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
