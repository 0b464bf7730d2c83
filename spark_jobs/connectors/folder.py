"""A folder that the department fills: a shared disk, or an upload area."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from quality.refusal import Refusal
from spark_jobs.connectors import Offer, StillBeingWritten
from spark_jobs.places import place


class Folder:
    """Files directly in one folder. Hidden files and Excel's own lock files (`~$…`) are nobody's delivery."""

    def __init__(self, where: str) -> None:
        """Nothing is read yet."""
        self.where = where

    def offers(self) -> list[Offer]:
        """All files there are, sorted by name."""
        folder = place(self.where)
        if not folder.is_dir():
            raise Refusal(
                "the department's folder is not there",
                where=self.where,
                expected="a folder with its files",
                found="a file" if folder.exists() else "nothing",
                remedy="mount or make the folder, or correct its KHO_SOURCE_… setting; what was fetched before stays",
            )
        try:
            return sorted(
                (_offer(path) for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "~$"))),
                key=lambda offer: offer.name,
            )
        except PermissionError as error:
            raise _unreadable(error) from error

    def copy(self, offer: Offer, target: Path) -> None:
        """The file's bytes, if it is the same before and after."""
        path = place(self.where) / offer.name
        try:
            with path.open("rb") as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            if _offer(path) != offer or target.stat().st_size != offer.size:
                raise StillBeingWritten(offer.name)
        except FileNotFoundError as error:
            raise StillBeingWritten(offer.name) from error
        except PermissionError as error:
            raise _unreadable(error) from error


def _offer(path: Path) -> Offer:
    found = path.stat()
    return Offer(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC).isoformat())


def _unreadable(error: PermissionError) -> Refusal:
    return Refusal(
        "the department's files may not be read",
        where=str(error.filename),
        expected="permission to read",
        found=error.strerror or "none",
        remedy="give this user read permission; what was fetched before stays",
    )
