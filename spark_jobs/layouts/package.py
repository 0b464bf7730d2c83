"""What is inside an .xlsx, before anybody opens it: refused if reading it could do harm or take too much memory.

An .xlsx is a ZIP archive of XML. Every XML member is decompressed once here, in pieces, so that its real size, its
checksum and what it declares are known. On the way the cells with an Excel error (#DIV/0!) are noted, for the reader
(calamine) gives them as blank.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from spark_jobs.layouts import AGAIN, ExtractMismatch

MOST_MEMBERS = 2_000  # a book of 168 sheets has about 350
MOST_BYTES = 800_000_000  # decompressed
MOST_RATIO = 300  # a sheet of a million equal cells has 15, one of a million formatted empty rows 30: measured
SMALL = 1 << 20  # bytes; below, a ratio says nothing
MOST_MEMORY = 600_000_000  # bytes that calamine may take for one sheet; the reading process has 1 GB
MOST_ERRORS = 100_000  # cells
PIECE = 1 << 20
NESTED = (".zip", ".xlsx", ".xlsm", ".xlsb", ".docx", ".gz", ".7z", ".rar", ".tar")

# What calamine 0.9 takes, measured: a slot per cell of the used rectangle, a cell that is there, a text's own copy.
_SLOT, _CELL, _TEXT = 32, 40, 32
_ERROR = re.compile(
    rb"<(?:x:)?c\s(?=[^>]*\bt=[\"']e[\"'])[^>]*\br=[\"']([A-Z]+)(\d+)[\"'][^>]*>(.*?)</(?:x:)?c>", re.DOTALL
)
_ERROR_TEXT = re.compile(rb"<(?:x:)?v>([^<]*)<")
_CELLS = (b"<c ", b"<x:c ")  # Excel and most others write the first, Microsoft's Open XML SDK the second
_TEXTS = (b't="s"', b't="str"', b't="inlineStr"')
_REFERENCE = re.compile(rb"<(?:x:)?c r=[\"']([A-Z]+)(\d+)")
_ROWS = re.compile(rb"<(?:x:)?row\s(?:[^>]*?\s)?r=[\"'](\d+)")
_LETTERS = re.compile(rb"<(?:x:)?c r=[\"']([A-Z]+)\d")
_PART = "}id"  # of the namespace of relationships, of which there are two (ECMA-376: transitional and strict)

# What zipfile raises when the bytes contradict themselves. The bytes are in memory: no OSError is a disk's.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    struct.error,
    ET.ParseError,
)

Errors = dict[tuple[int, int], str]


@dataclass
class Extent:
    """How far a sheet reaches, counted from 1, how many cells it has, and the cells with an error, from 0."""

    rows: int = 0
    columns: int = 0
    cells: int = 0
    texts: int = 0
    last_row: int = 0  # that was met
    errors: Errors = field(default_factory=dict)

    @property
    def memory(self) -> int:
        """Bytes that calamine will take."""
        return self.rows * self.columns * _SLOT + self.cells * _CELL + self.texts * _TEXT


def inspect(path: Path, content: bytes) -> dict[str, Errors]:
    """By sheet, the cells with an Excel error (row and column from 0) and its text. Raises ExtractMismatch."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _refuse_strange_members(path, archive.infolist())
            extents = {name: extent_of(path, archive, name) for name in archive.namelist() if _is_xml(name)}
            sheets = _sheets(archive)
    except DAMAGE as error:
        raise damaged(path, content, error) from error
    strings = sum(2 * info.file_size for info in archive.infolist() if info.filename.endswith("sharedStrings.xml"))
    for title, name in sheets:
        if name not in extents:  # calamine would find it, by an ending or a case that we did not look at
            raise _unsafe(path, f"a sheet {title!r} in a member {name!r} that is not there or no .xml")
        _refuse_too_large(path, title, extents[name], strings)
    titles = [title for title, _ in sheets]
    if twice := sorted(title for title in set(titles) if titles.count(title) > 1):
        raise _unsafe(path, f"two sheets of the same name: {', '.join(map(repr, twice))}")
    return {title: extents[name].errors for title, name in sheets}


def damaged(path: Path, content: bytes, error: BaseException) -> ExtractMismatch:
    """What to say of a book that contradicts itself, whoever finds out."""
    return ExtractMismatch(
        "the Excel file is damaged or cut short",
        where=str(path),
        expected="a whole Excel book",
        found=f"{len(content):,} bytes; {error}",
        remedy=AGAIN,
    )


def column_number(letters: bytes) -> int:
    """A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _refuse_strange_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    problem = ""
    if len(members) > MOST_MEMBERS:
        problem = f"{len(members):,} members; at most {MOST_MEMBERS:,} are read"
    elif len(set(names)) < len(names):
        problem = "two members of the same name"
    elif (total := sum(member.file_size for member in members)) > MOST_BYTES:
        problem = f"{total:,} bytes when decompressed; at most {MOST_BYTES:,} are read"
    elif "[Content_Types].xml" not in names or not any(name.endswith("workbook.xml") for name in names):
        problem = "an archive without [Content_Types].xml and workbook.xml: " + ", ".join(sorted(names)[:5])
    else:
        problem = next((found for member in members if (found := _problem(member))), "")
    if problem:
        raise _unsafe(path, problem)


def _unsafe(path: Path, found: str) -> ExtractMismatch:
    return ExtractMismatch(
        "the file is no Excel book that can be opened safely",
        where=str(path),
        expected="an .xlsx as Excel writes it",
        found=found,
        remedy="ask the department to save the sheets with data as a new .xlsx; the last good version stays",
    )


def _problem(member: zipfile.ZipInfo) -> str:
    """What speaks against a member, from the archive's directory alone; "" if nothing does."""
    name, place = member.filename, PurePosixPath(member.filename.replace("\\", "/"))
    swells = member.file_size > SMALL and member.file_size > MOST_RATIO * max(member.compress_size, 1)
    problems = {
        "a member that points outside of the archive": place.is_absolute() or ".." in place.parts or ":" in name,
        "a link": stat.S_ISLNK(member.external_attr >> 16),
        "an encrypted member": member.flag_bits & 1,
        "a member packed as Excel never does": member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        "an archive within the archive": name.lower().endswith(NESTED),
        f"a member that swells to {member.file_size:,} bytes from {member.compress_size:,}": swells,
    }
    return next((f"{problem}: {name!r}" for problem, is_there in problems.items() if is_there), "")


def extent_of(path: Path, archive: zipfile.ZipFile, name: str) -> Extent:
    """Read one XML member through: no declarations of its own, and if it is a sheet, how far it reaches."""
    extent = Extent()
    is_sheet = "worksheets/" in name and not name.endswith(".rels")
    for piece in _pieces(archive, name):
        strange = next((sign for sign in (b"<!DOCTYPE", b"<!ENTITY", b"\0") if sign in piece), None)
        if strange:
            raise ExtractMismatch(
                "the Excel file has XML that no Excel writes",
                where=f"{path}, member {name}",
                expected="XML in UTF-8 that declares no entities",
                found=strange.decode() if strange != b"\0" else "NUL bytes",
                remedy="find out who made the file; the last good version stays",
            )
        if is_sheet:
            _refuse_disorder(piece, extent, f"{path}, member {name}")
            _measure(piece, extent)
    if len(extent.errors) > MOST_ERRORS:
        raise ExtractMismatch(
            "a sheet is full of Excel errors",
            where=f"{path}, member {name}",
            expected=f"at most {MOST_ERRORS:,} cells with an error",
            found=f"{len(extent.errors):,}",
            remedy=AGAIN,
        )
    return extent


def _refuse_disorder(piece: bytes, extent: Extent, where: str) -> None:
    """Of two lines with one number calamine keeps the last, and says nothing."""
    for number in map(int, _ROWS.findall(piece)):
        if number <= extent.last_row:
            raise ExtractMismatch(
                "the lines of a sheet are not in order",
                where=where,
                expected="each line once, from top to bottom",
                found=f"line {number:,} after line {extent.last_row:,}",
                remedy="ask the department to save the book with Excel; the last good version stays",
            )
        extent.last_row = number


def _measure(piece: bytes, extent: Extent) -> None:
    """Cells come in the order of their rows, so the last one of a piece says how far down it reaches."""
    extent.cells += sum(map(piece.count, _CELLS))
    extent.texts += sum(map(piece.count, _TEXTS))
    if last := _REFERENCE.match(piece, max(map(piece.rfind, _CELLS), default=0)):
        extent.rows = max(extent.rows, int(last[2]))
    if _beyond(extent.columns).search(piece):
        extent.columns = max(map(column_number, set(_LETTERS.findall(piece))))
    if b't="e"' in piece or b"t='e'" in piece:
        for name, row, content in _ERROR.findall(piece):
            text = _ERROR_TEXT.search(content)
            extent.errors[int(row) - 1, column_number(name) - 1] = text[1].decode() if text else "an Excel error"


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The member in pieces that end before a cell begins, or at least before a tag, so that neither is cut."""
    rest = b""
    with archive.open(name) as member:
        while piece := member.read(PIECE):
            joined = rest + piece
            cut = max(map(joined.rfind, _CELLS))
            if cut <= 0:
                cut = joined.rfind(b"<")
            if cut <= 0:
                cut = len(joined)
            yield joined[:cut]
            rest = joined[cut:]
    yield rest


@lru_cache(maxsize=64)
def _beyond(columns: int) -> re.Pattern[bytes]:
    """Finds a cell further right than this column, A being 1, as fast as a search that finds nothing."""
    name = ""
    while columns:
        columns, rest = divmod(columns - 1, 26)
        name = chr(ord("A") + rest) + name
    further = [f"[A-Z]{{{len(name) + 1},}}"]
    for place, letter in enumerate(name):
        if letter != "Z":
            further.append(f"{name[:place]}[{chr(ord(letter) + 1)}-Z][A-Z]{{{len(name) - place - 1}}}")
    return re.compile(f"<(?:x:)?c r=[\"']({'|'.join(further)})\\d".encode())


def _sheets(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """The title of every sheet and its member."""
    book = next(name for name in archive.namelist() if name.endswith("workbook.xml"))
    folder = PurePosixPath(book).parent
    links = str(folder / "_rels" / "workbook.xml.rels")
    if links not in archive.namelist():
        return []
    # Neither has a DOCTYPE: `extent_of` has read them through.
    targets = {part.get("Id"): part.get("Target", "") for part in ET.fromstring(archive.read(links))}  # noqa: S314
    found = []
    for element in ET.fromstring(archive.read(book)).iter():  # noqa: S314
        part = next((value for name, value in element.items() if name.endswith(_PART)), None)
        if element.tag.endswith("}sheet") and (target := targets.get(part)):
            member = target.lstrip("/") if target.startswith("/") else str(folder / target)
            found.append((element.get("name", ""), member))
    return found


def _refuse_too_large(path: Path, title: str, extent: Extent, strings: int) -> None:
    if extent.memory + strings > MOST_MEMORY:
        raise ExtractMismatch(
            "a sheet reaches too far",
            where=f"{path}, sheet {title}",
            expected=f"a sheet that can be read with {MOST_MEMORY // 1_000_000} MB of memory",
            found=f"{extent.rows:,} rows and {extent.columns:,} columns with {extent.cells:,} cells",
            remedy="ask the department to delete stray cells far right or below, or to split the sheet; "
            "the last good version stays",
        )


def _is_xml(name: str) -> bool:
    return name.endswith((".xml", ".rels", ".vml"))
