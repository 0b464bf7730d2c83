"""Extracts: the bytes a department delivered, unchanged for ever.

They lie in `$KHO_LAKE/extracts/<department>/<table>/<period>/<sequence>/`, each with its `extract.json`. The first
delivery of a period is 0001; the same period with other bytes is a correction and gets the next number.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

MANIFEST = "extract.json"


@dataclass(frozen=True)
class Extract:
    """What stands in `extract.json`. `source` is the kind of connector, `file` the name at the department."""

    table: str
    period: str
    sequence: int
    source: str
    file: str
    size: int
    sha256: str
    fetched_at: str
    source_modified_at: str

    def folder(self, lake: Path) -> Path:
        """Where it lies."""
        return period_folder(lake, self.table, self.period) / f"{self.sequence:04d}"

    def path(self, lake: Path) -> Path:
        """The delivered file itself."""
        return self.folder(lake) / self.file

    def to_json(self) -> str:
        """The text of `extract.json`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


def period_folder(lake: Path, table: str, period: str) -> Path:
    """All deliveries of a period."""
    department, _, name = table.partition(".")
    return lake / "extracts" / department / name / period


def extracts_of(lake: Path, table: str) -> dict[str, list[Extract]]:
    """Every extract of a table by period, both in order; the newest stands last."""
    found: dict[str, list[Extract]] = {}
    for path in sorted(period_folder(lake, table, "").glob(f"*/[0-9]*/{MANIFEST}")):
        extract = Extract(**json.loads(path.read_text(encoding="utf-8")))
        found.setdefault(extract.period, []).append(extract)
    return {period: sorted(extracts, key=lambda extract: extract.sequence) for period, extracts in found.items()}
