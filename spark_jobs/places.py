"""Where files lie: a path of this machine, or a URI that fsspec understands (`s3://…`, `hdfs://…`)."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from quality.refusal import Refusal

PART = ".part"
_NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "no file may be larger",
}


def place(text: str) -> Path:
    """A plain path stays one, for fsspec costs 0.1 s to import; what has `://` becomes a UPath, which acts like one."""
    if "://" not in text:
        return Path(text)
    from upath import UPath  # noqa: PLC0415

    return cast("Path", UPath(text))


def remove_folder(folder: Path) -> None:
    """The folder and all below it, if it is there."""
    remote: Any = folder
    if isinstance(remote, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif remote.exists():
        remote.fs.rm(remote.path, recursive=True)


def ensure_folder(folder: Path, *, is_open: bool) -> None:
    """Make a folder of this machine, and let its other accounts read what is in it, or not.

    A store behind a URI has rules of its own.
    """
    remote: Any = folder
    if isinstance(remote, Path):
        mode = 0o755 if is_open else 0o700
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) != mode:
            folder.chmod(mode)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """For what this process writes to the table in a folder, as a whole version or not at all; or it is a Refusal.

    Its files are as the engine's: who may pass through the folder may read them.
    """
    from deltalake.exceptions import DeltaError  # noqa: PLC0415

    before = os.umask(0o022)
    try:
        yield
    except (DeltaError, OSError) as error:
        raise Refusal(
            f"{folder.name} could not be written",
            where=str(folder),
            expected="room for one more version, and nobody else who writes to it",
            found=str(error).partition("\n")[0],
            remedy="see to that and run the same command again; the version before stays as it is",
        ) from error
    finally:
        os.umask(before)


def saying(text: str) -> dict[str, Any]:
    """How deltalake is told to write a commit that says something, as the engine writes it, and to forget no other."""
    from deltalake import CommitProperties, PostCommitHookProperties  # noqa: PLC0415

    return {
        "commit_properties": CommitProperties(custom_metadata={"userMetadata": text}),
        "post_commithook_properties": PostCommitHookProperties(cleanup_expired_logs=False),
    }


@contextmanager
def whole_folder(target: Path, resume: str = "") -> Iterator[Path]:
    """A new folder to fill, which becomes `target` at the end: complete, on disk, in one step, or not at all.

    Whoever fills it and removes it again gives up. What earlier, killed runs left beside it is cleared first, so hold
    a lock; but what was to become the same (`resume` tells) is given back to be finished. A disk that is full is a
    Refusal.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}{PART}")
    begun = target.with_name(f".{target.name}.begun")  # what the folder is to become
    for left in target.parent.glob(f".*{PART}"):
        if left != fresh or not resume or not begun.exists() or begun.read_text(encoding="utf-8") != resume:
            remove_folder(left)
    try:
        if resume:
            begun.write_text(resume, encoding="utf-8")
        fresh.mkdir(exist_ok=True)
        yield fresh
        begun.unlink(missing_ok=True)
        if not fresh.exists():
            return
        for path in [*fresh.rglob("*"), fresh]:
            _to_disk(path)
        fresh.rename(target)
        _to_disk(target.parent)
    except OSError as error:
        remove_folder(fresh)
        begun.unlink(missing_ok=True)
        if error.errno not in _NO_ROOM:
            raise
        raise Refusal(
            f"{_NO_ROOM[error.errno]}: {target.name} could not be written",
            where=str(target.parent),
            expected="room for one more version",
            found=f"{error.strerror}; {shutil.disk_usage(target.parent).free:,} bytes free",
            remedy="make room and run the same command again; nothing half-written was left",
        ) from error
    except BaseException:
        if not resume:
            remove_folder(fresh)
        raise


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
