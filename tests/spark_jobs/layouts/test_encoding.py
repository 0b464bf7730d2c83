from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

import pytest

from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts import encoding as tested
from spark_jobs.layouts.encoding import blocks, decode_cells, encoding_of, tidy
from spark_jobs.layouts.syllables import well_formed
from spark_jobs.layouts.vni import TABLE as VNI
from spark_jobs.layouts.vni import from_vni
from tests.spark_jobs.books import in_tcvn3

WARDS = "Phường Bến Thành\nPhường Thủ Dầu Một\nXã Bình Mỹ\nĐặc khu Côn Đảo\nPhường Vũng Tàu\n"
SMALL_WARDS = WARDS.lower()  # TCVN3 has no capitals with a tone
TO_VNI = {ord(letter): sequence for sequence, letter in VNI.items()}
TO_VNI |= {ord(letter.upper()): sequence.upper() for sequence, letter in VNI.items()}
TONES = "\u0300\u0301\u0303\u0309\u0323"


def in_vni(text: str) -> str:
    return text.translate(TO_VNI)


def in_cp1258(text: str) -> bytes:
    """Vowel and tone are two bytes, for Python's codec does not take them apart itself."""
    apart = unicodedata.normalize("NFD", text)
    whole = "".join(
        unicodedata.normalize("NFC", "".join(c for c in part if c not in TONES))
        + "".join(c for c in part if c in TONES)
        for part in _clusters(apart)
    )
    return whole.encode("cp1258")


def _clusters(text: str) -> list[str]:
    found: list[str] = []
    for letter in text:
        if unicodedata.combining(letter) and found:
            found[-1] += letter
        else:
            found.append(letter)
    return found


def read(folder: Path, content: bytes) -> str:
    path = folder / "file.csv"
    path.write_bytes(content)
    return "".join(blocks(path, encoding_of(content)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("utf-8", WARDS.encode()),
        ("utf-8", codecs.BOM_UTF8 + WARDS.encode()),
        ("utf-8", unicodedata.normalize("NFD", WARDS).encode()),
        ("utf-16-le", codecs.BOM_UTF16_LE + WARDS.encode("utf-16-le")),
        ("utf-16-be", codecs.BOM_UTF16_BE + WARDS.encode("utf-16-be")),
        ("utf-16-le", WARDS.encode("utf-16-le")),
        ("utf-16-be", WARDS.encode("utf-16-be")),
        ("VNI-Windows", in_vni(WARDS).encode("latin-1")),
        ("Windows-1258", in_cp1258(WARDS)),
    ],
)
def test_text_is_read_in_whichever_encoding_it_is(tmp_path: Path, name: str, content: bytes) -> None:
    assert encoding_of(content).name == name
    assert read(tmp_path, content) == WARDS


def test_text_in_tcvn3_is_read(tmp_path: Path) -> None:
    content = in_tcvn3(SMALL_WARDS).encode("latin-1")
    assert encoding_of(content).name == "TCVN3"
    assert read(tmp_path, content) == SMALL_WARDS


def test_ascii_may_have_accents_after_the_sample(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"code\n" * 300_000 + "Bến Thành\n".encode())
    assert encoding_of(b"code\n").name == "ASCII"
    assert "".join(blocks(path, encoding_of(b"code\n"))).endswith("code\nBến Thành\n")


def test_a_sample_may_end_within_a_letter() -> None:
    assert encoding_of("Bến".encode()[:2]).name == "utf-8"


def test_text_in_which_no_word_is_vietnamese_is_refused_with_the_candidates() -> None:
    with pytest.raises(ExtractMismatch, match="cannot be told") as caught:
        encoding_of("Société Générale".encode("cp1252"), "banks.csv")
    assert caught.value.where == "banks.csv"
    assert "Windows-1258 0 %" in caught.value.found
    assert "TCVN3 0 %" in caught.value.found
    assert "UTF-8" in caught.value.remedy


def test_a_word_that_is_vietnamese_in_two_ways_is_not_decided() -> None:
    """0xFD is ư in Windows-1258 and ý in TCVN3: kư, ký."""
    with pytest.raises(ExtractMismatch, match="cannot be told"):
        encoding_of(b"k\xfd")


def test_a_bad_byte_in_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(ExtractMismatch, match="not utf-8 throughout") as caught:
        encoding_of(WARDS.encode() + b"\xff\xfe\n", "wards.csv")
    assert caught.value.where == f"wards.csv, line 6, byte {len(WARDS.encode())}"
    assert caught.value.found == "bytes ff fe 0a"


def test_readings_that_agree_are_one() -> None:
    assert encoding_of("Hà Nam".encode("cp1252")).name == "Windows-1258"


@pytest.mark.parametrize("content", [b"a\0b,c\n", b"\0\0\0\0", b"abc" * 100 + b"\0"])
def test_nul_bytes_are_no_text(content: bytes) -> None:
    with pytest.raises(ExtractMismatch, match="no text"):
        encoding_of(content)


def test_a_nul_after_the_sample_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"abc\n\0\n")
    with pytest.raises(ExtractMismatch, match="no text"):
        list(blocks(path, encoding_of(b"abc\n")))


def test_a_bad_byte_after_the_sample_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("Bến\n".encode() + b"\xff\n")
    with pytest.raises(ExtractMismatch, match="not utf-8 throughout") as caught:
        list(blocks(path, encoding_of("Bến\n".encode())))
    assert caught.value.where.endswith("near byte 6")
    assert caught.value.found.startswith("bytes ff")


def test_blocks_end_with_lines_whatever_ends_those(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "BLOCK", 5)
    path = tmp_path / "file.csv"
    for text in ("ab\r\ncd\r\nef", "ab\rcd\ref\r", "abcdefghij\nk\n"):
        path.write_text(text, encoding="ascii", newline="")
        found = list(blocks(path, encoding_of(text.encode())))
        assert "".join(found) == text
        assert all(block.endswith(("\r\n", "\n", "\r")) for block in found[:-1])
        assert not any(block.startswith("\n") for block in found)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "LONGEST_LINE", 1_000)
    path = tmp_path / "file.csv"
    path.write_bytes(b"x" * 2_000)
    with pytest.raises(ExtractMismatch, match="a line is too long"):
        list(blocks(path, encoding_of(b"x")))


@pytest.mark.parametrize(
    "written", [in_tcvn3(SMALL_WARDS), in_vni(SMALL_WARDS), in_cp1258(SMALL_WARDS).decode("latin-1")]
)
def test_cells_kept_as_latin_1_are_read(written: str) -> None:
    decode = decode_cells(written.splitlines())
    assert [decode(cell) for cell in written.splitlines()] == SMALL_WARDS.splitlines()


def test_cells_in_utf_8_taken_for_latin_1_are_read() -> None:
    cells = [word.encode().decode("latin-1") for word in WARDS.split()]
    decode = decode_cells(cells)
    assert [decode(cell) for cell in cells] == WARDS.split()


@pytest.mark.parametrize("cells", [WARDS.split(), ["Hà Nam", "José", "Société"], ["abc"], [], ["m²", "30 °C", "§ 5"]])
def test_cells_in_unicode_stay_what_they_are(cells: list[str]) -> None:
    decode = decode_cells(cells)
    assert [decode(cell) for cell in cells] == cells


def test_a_unicode_cell_among_tcvn3_stays_what_it_is() -> None:
    decode = decode_cells([*in_tcvn3(SMALL_WARDS).split(), "Bến Thành"])
    assert decode("Bến Thành") == "Bến Thành"
    assert decode(in_tcvn3("phường")) == "phường"


def test_decomposed_cells_come_out_composed() -> None:
    text = unicodedata.normalize("NFD", "Bến Thành")
    assert decode_cells([text])(text) == "Bến Thành"


def test_every_letter_of_vni_is_read_back_also_as_a_capital() -> None:
    letters = "".join(VNI.values())
    assert len(VNI) == 68  # the letter ỵ is written in two ways
    assert from_vni(in_vni(letters)) == letters
    assert from_vni(in_vni(letters.upper())) == letters.upper()
    assert from_vni("Tænh Bình Döông, Quaän 1, ÑOÀNG NAI") == "Tỉnh Bình Dương, Quận 1, ĐỒNG NAI"


@pytest.mark.parametrize("word", ["Thành", "nghiêng", "QUYỂN", "khuya", "giếng", "gì", "ở", "tuyết", "quýt", "oằn"])
def test_a_syllable_is_well_formed(word: str) -> None:
    assert well_formed(word)
    assert well_formed(unicodedata.normalize("NFD", word))


@pytest.mark.parametrize("word", ["Société", "tổc", "bàt", "Krông", "Đắk", "thâàn", "", "đ", "ngáà"])
def test_what_is_no_syllable_is_not_well_formed(word: str) -> None:
    assert not well_formed(word)


def test_tidy_text_has_no_outer_blanks_and_no_unbreakable_ones() -> None:
    assert tidy("\u00a0 Bến\u00a0Thành \n") == "Bến Thành"
    assert tidy(unicodedata.normalize("NFD", "Bến")) == "Bến"
    assert tidy(" \u00a0") is None
