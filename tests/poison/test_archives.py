"""Archives that unfold without end, or lead out of themselves, or are none."""

from __future__ import annotations

import gzip
import lzma
import struct
import zipfile
from collections.abc import Callable

import pytest

from tests.poison.bench import Bench
from tests.poison.deliveries import (
    HEAD,
    PARCELS,
    SCHOOLS,
    SCHOOLS_CSV,
    SHEET,
    archive,
    book,
    csv_of,
    members_of_book,
    shapefile,
    zipped,
)

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def stated_size(content: bytes, name: str, size: int) -> bytes:
    """The archive, whose list of contents says another size of one member."""
    poisoned = bytearray(content)
    at = content.index(name.encode(), content.index(CENTRAL)) - 46
    struct.pack_into("<I", poisoned, at + 24, size)
    return bytes(poisoned)


def test_a_zip_that_unfolds_to_a_thousand_times_its_size_is_refused(bench: Bench) -> None:
    path = bench.file(zipped(shapefile() | {".dbf": bytes(50_000_000)}))
    refusal = bench.refused(PARCELS, path)
    assert refusal.what == "the archive is not safe to unpack"
    assert "more than 200 times as many" in refusal.found


def test_a_zip_that_unfolds_to_more_than_any_sheet_is_refused(bench: Bench) -> None:
    path = bench.file(stated_size(zipped(shapefile()), "to-12.dbf", 4_000_000_000))
    refusal = bench.refused(PARCELS, path)
    assert refusal.what == "the archive is not safe to unpack"
    assert "bytes unpacked, more than 500,000,000" in refusal.found


def test_a_zip_that_lies_about_a_size_is_read_no_further_than_it_says(bench: Bench) -> None:
    swollen = zipped(shapefile() | {".dbf": bytes(300_000_000)})
    path = bench.file(stated_size(swollen, "to-12.dbf", 1000))
    assert bench.refused(PARCELS, path).what == "the archive is damaged or cut short"
    assert sum(file.stat().st_size for file in bench.folder.rglob("*")) < 10_000_000


def test_a_zip_of_very_many_members_is_refused(bench: Bench) -> None:
    content = archive({"a.txt": b""})
    start, end = content.index(CENTRAL), content.index(END)
    member = content[start:end]
    listed = 200_000
    finish = struct.pack("<4s4H2LH", END, 0, 0, 0, 0, len(member) * listed, start, 0)
    path = bench.file(content[:start] + member * listed + finish)
    assert "members, more than 200" in bench.refused(PARCELS, path).found


def test_a_zip_whose_members_overlap_is_refused(bench: Bench) -> None:
    """As the densest bombs do: all members are one another's bytes."""
    content = archive({f"to-12{ending}": b"x" * 100 for ending in (".shp", ".shx", ".dbf", ".prj")}, 0)
    poisoned = bytearray(content)
    at = content.index(CENTRAL)
    while (at := content.find(CENTRAL, at)) >= 0:
        struct.pack_into("<I", poisoned, at + 42, 0)  # where the member begins
        at += 1
    assert bench.refused(PARCELS, bench.file(bytes(poisoned))).what == "the archive is damaged or cut short"


@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "Bản đồ.7Z"])
def test_an_archive_in_an_archive_is_refused(bench: Bench, name: str) -> None:
    parts = {f"to-12{ending}": content for ending, content in shapefile().items()}
    path = bench.file(archive({**parts, name: archive({"x": b"x"})}))
    refusal = bench.refused(PARCELS, path)
    assert refusal.what == "the archive is not safe to unpack"
    assert refusal.found == f"member {name!r} that is an archive itself"


@pytest.mark.parametrize("name", ["../../escaped.shp", "/tmp/escaped.shp", "C:\\escaped.shp", "a\\..\\..\\escaped.shp"])  # noqa: S108
def test_a_member_that_leads_out_of_its_archive_is_refused_and_writes_nothing(bench: Bench, name: str) -> None:
    path = bench.file(archive({name: b"x"}))
    assert bench.refused(PARCELS, path).what == "the archive is not safe to unpack"
    assert not list(bench.folder.parent.rglob("escaped*"))


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o120777 << 16
    return member


def test_a_member_that_is_a_symbolic_link_is_refused(bench: Bench) -> None:
    path = bench.file(b"")
    with zipfile.ZipFile(path, "w") as packed:
        for ending, content in shapefile().items():
            packed.writestr(f"to-12{ending}", content)
        packed.writestr(link("to-12.txt"), "/etc/passwd")
    assert bench.refused(PARCELS, path).found == "member 'to-12.txt' that is a symbolic link"


@pytest.mark.parametrize(
    "packing",
    [
        pytest.param(zipfile.ZIP_LZMA, id="lzma"),
        pytest.param(zipfile.ZIP_BZIP2, id="bzip2"),
    ],
)
def test_a_member_packed_as_nobody_does_is_refused(bench: Bench, packing: int) -> None:
    """LZMA says itself how much memory it wants: up to 4 GiB."""
    path = bench.file(archive({f"to-12{ending}": content for ending, content in shapefile().items()}, packing))
    assert bench.refused(PARCELS, path).what == "the archive is not safe to unpack"


@pytest.mark.parametrize("ending", [".prj", ".dbf", ".shx"])
def test_a_shapefile_without_one_of_its_parts_is_refused(bench: Bench, ending: str) -> None:
    parts = shapefile()
    del parts[ending]
    assert bench.refused(PARCELS, bench.file(zipped(parts))).what == f"the Shapefile lacks its {ending}"


def test_two_shapefiles_in_one_archive_are_refused(bench: Bench) -> None:
    members = {f"{stem}{ending}": content for stem in "ab" for ending, content in shapefile().items()}
    refusal = bench.refused(PARCELS, bench.file(archive(members)))
    assert refusal.what == "the archive holds several Shapefiles"
    assert "a.shp" in refusal.found
    assert "b.shp" in refusal.found


def test_a_zip_that_lost_its_end_is_refused(bench: Bench) -> None:
    assert bench.refused(PARCELS, bench.file(zipped(shapefile())[:-40])).what == "the archive is damaged or cut short"


def swollen_book() -> bytes:
    return book(HEAD, more={"xl/sharedStrings.xml": b"<sst>" + b" " * 100_000_000})


def lying_book() -> bytes:
    return stated_size(swollen_book(), "xl/sharedStrings.xml", 1000)


def book_of_many_members() -> bytes:
    return book(HEAD, more={f"xl/media/{number}.png": b"" for number in range(3000)})


def book_that_leads_out() -> bytes:
    return book(HEAD, more={"../../escaped.xml": b"<x/>"})


def book_with_a_book() -> bytes:
    return book(HEAD, more={"xl/embeddings/inner.xlsx": b"PK"})


def book_packed_with_lzma() -> bytes:
    return archive(members_of_book(HEAD), zipfile.ZIP_LZMA)


def book_with_two_sheets_of_one_name() -> bytes:
    content = archive(members_of_book(HEAD) | {"xl/worksheets/sheet9.xml": "<x/>"})
    return content.replace(b"xl/worksheets/sheet9.xml", SHEET.encode())


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (swollen_book, "a member that swells to 100,000,005 bytes"),
        (book_of_many_members, "3,005 members; at most 2,000 are read"),
        (book_that_leads_out, "a member that points outside of the archive"),
        (book_with_a_book, "an archive within the archive"),
        (book_packed_with_lzma, "a member packed as Excel never does"),
        (book_with_two_sheets_of_one_name, "two members of the same name"),
    ],
)
def test_a_book_that_is_a_harmful_archive_is_refused(bench: Bench, make: Callable[[], bytes], found: str) -> None:
    refusal = bench.refused(SCHOOLS, bench.file(make()))
    assert refusal.what == "the file is no Excel book that can be opened safely"
    assert found in refusal.found


def test_a_book_that_lies_about_a_size_is_refused(bench: Bench) -> None:
    assert bench.refused(SCHOOLS, bench.file(lying_book())).what == "the Excel file is damaged or cut short"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(gzip.compress(csv_of().encode() * 100), "a gzip archive", id="gzip"),
        pytest.param(gzip.compress(bytes(2_000_000)) * 100, "a gzip archive", id="gzip bomb"),
        pytest.param(gzip.compress(csv_of().encode() * 100)[:-20], "a gzip archive", id="truncated gzip"),
        pytest.param(archive({"a.csv": csv_of()}), "a ZIP archive", id="zip"),
        pytest.param(b"7z\xbc\xaf\x27\x1c" + bytes(40), "a 7z archive", id="7z"),
        pytest.param(b"Rar!\x1a\x07\x01\x00" + bytes(40), "a RAR archive", id="rar"),
        pytest.param(lzma.compress(csv_of().encode()), "an xz archive", id="xz"),
    ],
)
def test_an_archive_named_csv_is_refused_as_what_it_is(bench: Bench, content: bytes, kind: str) -> None:
    refusal = bench.refused(SCHOOLS_CSV, bench.file(content, "truong.csv"))
    assert refusal.what == "the file is no text"
    assert kind in refusal.found
