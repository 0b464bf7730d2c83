"""Which parts of a raw table changed, so that a draft need not be made anew of all of it.

A part is a period; of a table that is delivered whole, a file of the delivery, such as a map sheet. What every commit
brought is known: an extract, whose files are known, read by known rules.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from quality.contract import Contract
from spark_jobs import raw
from spark_jobs.extracts import changed_files, extracts_of
from spark_jobs.layouts import delivery_of
from spark_jobs.session import Earlier


def changed_parts(lake: Path, warehouse: str, contract: Contract, since: Earlier) -> frozenset[str] | None:
    """Periods or names of files whose rows may be others than in a version of the raw table; None when any may be.

    Rows of which the files are the same are others when other rules read them, or when somebody had them read again.
    """
    commits = raw.commits_since(warehouse, raw.table_of(contract), since)
    mode = delivery_of(contract).mode
    if commits is None or mode == "changes":
        return None
    if mode == "period":
        return frozenset(commit.period for commit in commits[1:])
    extracts = {e.sha256: e for period in extracts_of(lake, contract.table).values() for e in period}
    changed: frozenset[str] = frozenset()
    for before, after in pairwise(commits):
        files = changed_files(extracts[after.extract], extracts[before.extract])
        if before.reading != after.reading or files is None:
            return None
        changed |= files
    return changed
