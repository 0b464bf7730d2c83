"""The simulated departments: what they deliver in the demo and in tests, from real open data beside this file."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.settings import Settings

YEARBOOKS = Path(__file__).with_name("health") / "yearbooks"


def open_departments(settings: Settings) -> None:
    """Lay out each department's delivery folder, once: what a user adds to it or takes from it stays so."""
    folder = settings.home / "departments" / "health"
    if folder.exists():
        return
    fresh = folder.with_name("health.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for book in sorted(YEARBOOKS.glob("*.xls")):
        shutil.copy2(book, fresh)
    fresh.rename(folder)
