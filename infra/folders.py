"""Who else on this machine may read what lies in the home folder: nobody, but for tables that an analyst may read.

Whatever a command or a service makes is closed to other accounts, by its umask. Others pass through the folders on the
way to what is open: the tables (the engine's umask, and `spark_jobs.places.ensure_folder`), and what PostgreSQL runs as
somebody else from.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from infra.settings import Settings

CLOSED, OPEN = 0o077, 0o022  # umasks
PASS, OURS = 0o711, 0o700
OTHERS = ("postgres", "tools")  # somebody else's, or run by somebody else


def close_to_others(settings: Settings) -> None:
    """Have all that this process and its children make closed, and what an older version left open. Milliseconds."""
    os.umask(OPEN)
    # In the cache, the tests have installations of their own.
    ways = (settings.home, settings.home / "cache", settings.lake, settings.lake / "warehouse")
    for folder in ways:
        folder.mkdir(parents=True, exist_ok=True)
        _have_mode(folder, PASS)
    for folder in (*settings.home.iterdir(), *settings.lake.iterdir()):
        with contextlib.suppress(FileNotFoundError):  # another command's, gone or renamed meanwhile
            if folder not in ways and folder.name not in OTHERS and stat.S_ISDIR(folder.lstat().st_mode):
                _have_mode(folder, OURS)
    os.umask(CLOSED)


def _have_mode(folder: Path, mode: int) -> None:
    if stat.S_IMODE(folder.stat().st_mode) != mode:
        folder.chmod(mode)
