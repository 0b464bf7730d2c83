"""Fetch the Java archives of a lock: `python -m infra.archives LOCK FOLDER` (called by `infra.install`).

The lock holds groups of {path, sha256, size}, path as in a Maven repository; each group becomes one flat folder,
which is a Java class path. Versions are exactly the lock's: nothing is resolved.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

from jgo.maven import MavenContext

from quality.refusal import Refusal, run

TRIES = 3


class Archive(TypedDict):
    """One line of the lock."""

    path: str
    sha256: str
    size: int


class ArchiveMismatch(Refusal):
    """What arrived is not what the lock names."""


def fetch(archive: Archive, folder: Path) -> None:
    """Put one archive into its class path folder, unless the right bytes are there."""
    target = folder / Path(archive["path"]).name
    if target.exists() and _sha256(target) == archive["sha256"]:
        return
    *group, name, version, _ = archive["path"].split("/")
    found = "nothing"
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            context = MavenContext(repo_cache=Path(cache), timeout=60)
            try:
                arrived = Path(context.project(".".join(group), name).at_version(version).artifact().resolve())
            except OSError as error:  # requests' errors are OSErrors: the network, try again
                found = str(error)
                continue
            found = _sha256(arrived)
            if found == archive["sha256"]:
                shutil.move(arrived, target)
                return
    raise ArchiveMismatch(
        "a Java archive could not be fetched",
        where=archive["path"],
        expected=f"sha256 {archive['sha256']}",
        found=found,
        remedy="see to the network, then run the same command again: what has arrived is kept",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Fetch all groups, eight archives at a time."""
    lock, folder = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = []
    for group, archives in json.loads(lock.read_text()).items():
        (folder / group).mkdir(parents=True, exist_ok=True)
        wanted += [(archive, folder / group) for archive in archives]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: fetch(*pair), wanted))


if __name__ == "__main__":
    sys.exit(run(main))
