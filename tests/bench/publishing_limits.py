"""What is measured of publishing, and what is allowed: pure, so that a run can be judged anew from its figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median, quantiles

from tests.bench.limits import Limit
from tests.bench.readers import Read, Seen

ROWS, READS, DATASETS = 1_000_000, 10_000, 200
WHOLE_RATIO, PATCH_RATIO, API_TIMES = 0.5, 0.05, 7
DUMP_TIMES, NGINX_TIMES, ADDED_MS = 5, 0.9, 100
NOTHING_SECONDS, PLAN_SECONDS = 1, 10
MS = 1000
_MANY = 10  # figures; fewer are told one by one


@dataclass
class Results:
    """All figures, in seconds unless their name says otherwise. `reads` and `datasets`: how many were asked for."""

    machine: dict[str, object]
    rows: int
    reads: int
    datasets: int
    csv_bytes: int = 0
    nothing_new: list[float] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    downloads: dict[str, list[float]] = field(default_factory=dict)
    ours: list[float] = field(default_factory=list)
    xloader: list[float] = field(default_factory=list)
    seen_of_ours: list[Seen] = field(default_factory=list)
    seen_of_xloader: list[Seen] = field(default_factory=list)
    patch: float = 0
    tenth: list[float] = field(default_factory=list)
    tenth_by_api: float = 0
    quiet: list[Read] = field(default_factory=list)
    swapping: list[Read] = field(default_factory=list)
    swaps: int = 0
    planned: float = 0
    limits: list[Limit] = field(default_factory=list)

    def keep(self, folder: Path) -> None:
        """Write what there is."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "publishing.json").write_text(text, encoding="utf-8")


def limits(results: Results) -> list[Limit]:
    """Every figure and what is allowed."""
    return [*_loads(results), *_downloads(results), *_swaps(results), *_plans(results)]


def _loads(results: Results) -> list[Limit]:
    rows, few = f"{results.rows:,} rows", _few(results.rows, ROWS)
    xloader = median(results.xloader)
    tenth = results.tenth_by_api / median(results.tenth)
    return [
        Limit(f"{rows}: ours : XLoader", median(results.ours) / xloader, WHOLE_RATIO, few),
        *_seen("ours", results.seen_of_ours),
        *(replace(limit, not_judged="told beside ours") for limit in _seen("XLoader", results.seen_of_xloader)),
        Limit(f"{rows}, 1 % changed: ours : XLoader", results.patch / xloader, PATCH_RATIO, few),
        Limit(f"{results.rows // 10:,} rows: CKAN's API : ours", tenth, API_TIMES, few, at_least=True),
    ]


def _seen(whose: str, seen: Sequence[Seen]) -> list[Limit]:
    """The longest of all loads."""
    return [
        Limit(f"    {whose}: seconds without rows", max(one.empty_seconds for one in seen), 0),
        Limit(f"    {whose}: seconds without search results", max(one.unfound_seconds for one in seen), 0),
        Limit(f"    {whose}: answers that were errors", sum(len(one.errors) for one in seen), 0),
    ]


def _downloads(results: Results) -> list[Limit]:
    few = _few(results.rows, ROWS)
    file, dump, nginx, stock = (median(results.downloads[kind]) for kind in ("file", "dump", "nginx", "stock"))
    return [
        Limit("download: CKAN's own : our file", stock / file, DUMP_TIMES, few, at_least=True),
        Limit("download: nginx : our file", nginx / file, NGINX_TIMES, few, at_least=True),
        Limit("download: CKAN's own : ours of the table", stock / dump, 1, "told, it is of one version", at_least=True),
    ]


def _swaps(results: Results) -> list[Limit]:
    reads, fewer = results.swapping, _few(results.reads, READS)
    added = (p99(results.swapping) - p99(results.quiet)) * MS
    return [
        Limit(f"reads across {results.swaps} swaps", len(reads), READS, fewer, at_least=True),
        *(
            Limit(f"    {fault}", sum(read.fault == fault for read in reads), 0)
            for fault in ("error", "empty", "mixed")
        ),
        Limit(f"ms added to a search, p99 (quiet {p99(results.quiet) * MS:.0f} ms)", added, ADDED_MS),
    ]


def _plans(results: Results) -> list[Limit]:
    fewer = _few(results.datasets, DATASETS)
    return [
        Limit("seconds of plan and apply, nothing new", median(results.nothing_new), NOTHING_SECONDS),
        Limit("    tables that they wrote to", len(results.written), 0),
        Limit(f"seconds to plan {results.datasets:,} datasets", results.planned, PLAN_SECONDS, fewer),
    ]


def p99(reads: Sequence[Read]) -> float:
    """Seconds within which 99 of 100 searches were answered."""
    return quantiles([read.seconds for read in reads if read.kind == "search"], n=100)[98]


def told(seconds: Sequence[float]) -> str:
    """Each of them; of many, how they lie."""
    if len(seconds) > _MANY:
        return f"{median(seconds):.3f} s in the middle, {min(seconds):.3f} to {max(seconds):.3f} s, of {len(seconds)}"
    return ", ".join(f"{one:.2f}" for one in seconds) + " s"


def _few(given: int, wanted: int) -> str:
    return "" if given >= wanted else f"only {given:,}"
