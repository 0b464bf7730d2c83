"""The simulated departments: real servers that deliver real open data where there is some, and simulated data.

They are for the demo and for tests. `open_departments` lays out what they offer as of a month, below
`$KHO_HOME/departments`; the supervisor runs the servers there (`infra/services/departments.py`).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.settings import Settings
from quality.refusal import Refusal

SIZES = ("test", "demo", "city")
MONTHS = ("2026-07", "2026-08", "2026-09", "2026-10")
YEARBOOKS = Path(__file__).with_name("health") / "yearbooks"


@dataclass(frozen=True)
class Offered:
    """What the departments offer: how much, and as of the end of which month."""

    size: str
    month: str

    @property
    def period(self) -> int:
        """The month's number, from 1."""
        return MONTHS.index(self.month) + 1


def are_open(settings: Settings) -> bool:
    """Whether this installation has simulated departments."""
    return _state(settings).exists()


def offered(settings: Settings) -> Offered:
    """What they offer now."""
    return Offered(**json.loads(_state(settings).read_text(encoding="utf-8")))


def open_departments(settings: Settings, size: str | None = None, month: str | None = None) -> Offered:
    """Lay out what the departments offer as files; `fill_database` does the rest. Without size and month: as it is.

    Time goes only forward, as with real departments, and their size stays. The folder of the yearbooks is laid out
    once: what a user adds to it or takes from it stays so.
    """
    from infra.departments import cadastre, education, health  # noqa: PLC0415  they import numpy and more

    now = offered(settings) if are_open(settings) else None
    wanted = Offered(size or (now.size if now else "demo"), month or (now.month if now else MONTHS[0]))
    if now:
        _refuse_way_back(now, wanted)
    _lay_out_yearbooks(settings.departments / "health")
    if now == wanted:
        return wanted
    for department, folder in ((education, "education"), (cadastre, "cadastre"), (health, "health-api")):
        (settings.departments / folder).mkdir(exist_ok=True)
        for period in range(now.period + 1 if now else 1, wanted.period + 1):
            department.deliver(wanted.size, period, settings.departments / folder)
    _state(settings).write_text(json.dumps(asdict(wanted)), encoding="utf-8")
    return wanted


def fill_database(settings: Settings) -> None:
    """Bring the Department of Finance's database to what is offered. PostgreSQL must run."""
    from infra.departments import addresses, investment  # noqa: PLC0415
    from infra.services.postgres import ensure_database, ensure_role  # noqa: PLC0415

    for role in (addresses.OWNER, addresses.READER):
        ensure_role(settings, role)
    ensure_database(settings, addresses.DATABASE, owner=addresses.OWNER)
    wanted = offered(settings)
    investment.deliver(wanted.size, wanted.period, addresses.database_of_investment(settings))
    investment.open_door(addresses.database_of_investment(settings), addresses.READER)


def _refuse_way_back(now: Offered, wanted: Offered) -> None:
    if wanted.size != now.size or wanted.month < now.month:
        raise Refusal(
            "the simulated departments cannot go back",
            expected=f"size {now.size}, and {now.month} or a later month",
            found=f"size {wanted.size}, {wanted.month}",
            remedy="use another KHO_HOME",
        )


def _state(settings: Settings) -> Path:
    return settings.departments / "offered.json"


def _lay_out_yearbooks(folder: Path) -> None:
    if folder.exists():
        return
    fresh = folder.with_name("health.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for book in sorted(YEARBOOKS.glob("*.xls")):
        shutil.copy2(book, fresh)
    fresh.rename(folder)
