"""A zipped Shapefile, checked before any reader of maps sees it: no archive may harm, no part may lack or be cut short.

The parts are unpacked under a name of ours into a folder that whoever asked removes: what members are called
reaches nobody.
"""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spark_jobs.layouts import AGAIN, ExtractMismatch
from spark_jobs.layouts.dbf_fields import declare_as_text

MEMBERS = 200
UNPACKED_BYTES = 500_000_000
RATIO = 200  # blank-padded DBF text shrinks to a fiftieth at most; archives made to harm to a thousandth
PARTS = (".shp", ".shx", ".dbf", ".prj")
ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".tgz", ".tar", ".bz2", ".xz")
STEM = "sheet"

_ENCRYPTED = 0x1
_MAP_MAGIC = struct.pack(">i", 9994)  # of .shp and .shx; "ESRI Shapefile Technical Description", July 1998, p. 4
_MAP_HEADER = 100  # bytes
_MAP_INDEX = 8  # bytes a record in .shx
_DBF_HEADER = 32  # bytes, then 32 a field
_DBF_VERSIONS = (0x03, 0x04, 0x05, 0x30, 0x31, 0x83, 0x8B, 0x8C)


@dataclass(frozen=True)
class Shapefile:
    """An unpacked Shapefile: its .shp, the text of its .prj, how many records it has.

    `kinds`: what its fields are, in order, where they are declared as text but are none (see `dbf_fields`).
    """

    path: Path
    crs: str
    records: int
    kinds: tuple[str, ...]


def unpack(path: Path, folder: Path) -> Shapefile:
    """The one Shapefile of an archive, laid into `folder`; raises ExtractMismatch for all it should not be."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _refuse_harm(path, members)
            parts = _parts(path, members)
            for ending, member in parts.items():
                with archive.open(member) as packed, (folder / f"{STEM}{ending}").open("wb") as file:
                    shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error) as error:
        raise ExtractMismatch(
            "the archive is damaged or cut short",
            where=str(path),
            expected="a whole .zip with a Shapefile",
            found=f"{path.stat().st_size:,} bytes; {error}",
            remedy=AGAIN,
        ) from error
    crs = (folder / f"{STEM}.prj").read_bytes().decode("utf-8-sig", "replace").strip("\0 \r\n\t")
    records = _records(path, folder)
    return Shapefile(folder / f"{STEM}.shp", crs, records, declare_as_text(folder / f"{STEM}.dbf"))


def _refuse_harm(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """By the archive's own list of contents: nothing is unpacked yet."""
    found = _too_much(path, members) or next(filter(None, map(_odd, members)), "")
    if found:
        raise ExtractMismatch(
            "the archive is not safe to unpack",
            where=str(path),
            expected=f"one Shapefile in at most {MEMBERS} plain members and {UNPACKED_BYTES // 1_000_000} MB",
            found=found,
            remedy="ask the department for a .zip with the parts of the Shapefile and nothing else; the last good "
            "version stays",
        )


def _too_much(path: Path, members: list[zipfile.ZipInfo]) -> str:
    unpacked, packed = sum(member.file_size for member in members), path.stat().st_size
    if len(members) > MEMBERS:
        return f"{len(members):,} members, more than {MEMBERS}"
    if unpacked > UNPACKED_BYTES:
        return f"{unpacked:,} bytes unpacked, more than {UNPACKED_BYTES:,}"
    if unpacked > RATIO * packed:
        return f"{packed:,} bytes that unpack to {unpacked:,}, more than {RATIO} times as many"
    return ""


def _odd(member: zipfile.ZipInfo) -> str:
    """What is wrong with a member, "" for nothing."""
    name = member.orig_filename.replace("\\", "/")
    folders = name.split("/")
    wrongs = {
        "with an absolute path": not folders[0] or ":" in folders[0] or "\0" in name,
        "that leaves the archive's folder": ".." in folders,
        "that is a symbolic link": stat.S_ISLNK(member.external_attr >> 16),
        "that is an archive itself": name.lower().endswith(ARCHIVES),
        "under a password": bool(member.flag_bits & _ENCRYPTED),
        # LZMA says itself how much memory it takes, up to 4 GiB.
        "packed as no map program does": member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
    }
    return next((f"member {name[:80]!r} {wrong}" for wrong, is_so in wrongs.items() if is_so), "")


def _parts(path: Path, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """By their endings, without what macOS adds."""
    named = [(PurePosixPath(member.filename.replace("\\", "/")), member) for member in members]
    named = [(name, member) for name, member in named if "__MACOSX" not in name.parts]
    maps = [name for name, _ in named if name.suffix.lower() == ".shp"]
    wanted = {name.with_suffix("").as_posix().lower() for name in maps}
    parts = {
        name.suffix.lower(): member
        for name, member in named
        if name.suffix.lower() in PARTS and name.with_suffix("").as_posix().lower() in wanted
    }
    missing = [ending for ending in PARTS if ending not in parts]
    if len(maps) == 1 and not missing:
        return parts
    shown = ", ".join(sorted(name.as_posix() for name, _ in named)[:20]) or "no file"
    raise ExtractMismatch(
        "the archive holds several Shapefiles"
        if len(maps) > 1
        else "the archive holds no Shapefile"
        if not maps
        else f"the Shapefile lacks its {', '.join(missing)}",
        where=str(path),
        expected=f"one file of each: {', '.join(PARTS)}",
        found=shown,
        remedy=AGAIN,
    )


def _records(path: Path, folder: Path) -> int:
    """How many records the parts agree on; their headers know how long they are."""
    for ending in (".shp", ".shx"):
        head, size = _head(folder / f"{STEM}{ending}", _MAP_HEADER)
        if head[:4] != _MAP_MAGIC:
            raise _part(path, ending, f"first bytes {_MAP_MAGIC.hex(' ')}", f"{head[:4].hex(' ') or 'no byte'}")
        _refuse_cut(path, ending, 2 * int.from_bytes(head[24:28], "big"), size)
    index_size = (folder / f"{STEM}.shx").stat().st_size
    shapes = (index_size - _MAP_HEADER) // _MAP_INDEX
    head, size = _head(folder / f"{STEM}.dbf", _DBF_HEADER)
    if len(head) < _DBF_HEADER or head[0] not in _DBF_VERSIONS:
        raise _part(path, ".dbf", "a dBASE table", f"first byte {head[:1].hex() or 'missing'}, {size:,} bytes")
    rows, start, width = struct.unpack("<IHH", head[4:12])
    _refuse_cut(path, ".dbf", start + rows * width, size)
    if rows != shapes:
        raise _part(path, ".dbf", f"as many rows as .shx has shapes, {shapes:,}", f"{rows:,}")
    return shapes


def _head(path: Path, size: int) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(size), path.stat().st_size


def _refuse_cut(path: Path, ending: str, stated: int, size: int) -> None:
    if size < stated:
        raise _part(path, ending, f"{stated:,} bytes, as its header says", f"{size:,}")


def _part(path: Path, ending: str, expected: str, found: str) -> ExtractMismatch:
    return ExtractMismatch(
        f"the Shapefile's {ending} is damaged or cut short",
        where=f"{path}, its {ending}",
        expected=expected,
        found=found,
        remedy=AGAIN,
    )
