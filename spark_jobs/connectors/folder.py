"""A folder that the department fills: a shared disk, or an upload area. Address: its path, or `file:///…`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs.connectors import PARTIAL, Offer, StillBeingWritten
from spark_jobs.connectors.files import Found, in_inbox, is_delivery, sorted_out
from spark_jobs.connectors.refusals import STAYS, NotAllowed, NotThere
from spark_jobs.extracts import Extract


def connect(address: str) -> Folder:
    """The folder of an address; nothing is read yet."""
    if "://" not in address:
        return Folder(Path(address))
    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise Refusal(
            "the address of a department's folder is no folder",
            where="its KHO_SOURCE_…_FOLDER variable, or its connection in Airflow",
            expected="a path of this machine, or file:///path",
            found=f"{parts.scheme}://…",
            remedy="mount the folder on this machine and give its path",
        )
    return Folder(Path(unquote(parts.path)))


class Folder:
    """All files below one folder, without those of links that lead out of it."""

    def __init__(self, root: Path) -> None:
        """`root` need not be there yet."""
        self.where = str(root)
        self._root = root

    def __enter__(self) -> Self:
        """See that it is there."""
        if not self._root.is_dir():
            raise NotThere(
                "the department's folder is not there",
                where=self.where,
                expected="a folder with its files",
                found="a file" if self._root.exists() else "nothing",
                remedy=f"mount or make the folder, or correct its KHO_SOURCE_… setting; {STAYS}",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    def offers(self, delivery: Delivery, last: Extract | None) -> tuple[list[Offer], list[str]]:  # noqa: ARG002 - the interface's
        """All files whose path matches, and the names of the others."""
        try:
            return sorted_out(self._files(), delivery)
        except PermissionError as error:
            raise _unreadable(error) from error

    def take(self, offer: Offer, delivery: Delivery, folder: Path) -> list[str]:  # noqa: ARG002 - the interface's
        """The file's bytes, if it is the same before and after. A partial copy begins anew: the disk is near."""
        target = folder / offer.name
        if target.exists() and target.stat().st_size == offer.size:  # else the machine stopped before it was on disk
            return [offer.name]
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + PARTIAL)
        path = self._root / offer.name
        try:
            source = path.open("rb")
        except FileNotFoundError as error:
            raise StillBeingWritten(offer.name) from error
        except PermissionError as error:
            raise _unreadable(error) from error
        with source:
            if _stamp(os.fstat(source.fileno())) != offer.stamp:
                raise StillBeingWritten(offer.name)
            with partial.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        if not path.exists() or _stamp(path.stat()) != offer.stamp or partial.stat().st_size != offer.size:
            partial.unlink()
            raise StillBeingWritten(offer.name)
        partial.rename(target)
        return [offer.name]

    def put(self, name: str, content: Path) -> None:
        """Whole, or not at all; what had that name before is replaced."""
        target = self._root / in_inbox(name)
        fresh = target.with_name(f".{target.name}{PARTIAL}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(content, fresh)
            fresh.replace(target)
        except PermissionError as error:
            raise NotAllowed(
                "the department's inbox may not be written to",
                where=str(target.parent),
                expected="permission to write",
                found=error.strerror or "none",
                remedy="ask the department for write permission there",
            ) from error

    def _files(self) -> Iterator[Found]:
        """All that may be a delivery. A link is followed to a file below the root, and nowhere else."""
        real_root = self._root.resolve()
        for folder, folders, names in os.walk(self._root, onerror=_unless_gone):
            at_root = Path(folder) == self._root
            folders[:] = [name for name in folders if is_delivery(name, at_root=at_root)]
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in [*names, *links]:
                if is_delivery(name, at_root=at_root):
                    path = Path(folder) / name
                    yield _found(path, path.relative_to(self._root).as_posix(), real_root)


def _found(path: Path, name: str, real_root: Path) -> Found:
    if not path.is_file() or not path.resolve().is_relative_to(real_root):
        return Found(name)
    found = path.stat()
    return Found(name, found.st_size, _stamp(found))


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}"


def _unreadable(error: PermissionError) -> NotAllowed:
    return NotAllowed(
        "the department's files may not be read",
        where=str(error.filename),
        expected="permission to read",
        found=error.strerror or "none",
        remedy=f"give this user read permission; {STAYS}",
    )
