from __future__ import annotations

import shutil
import subprocess
import unicodedata

import pytest

from spark_jobs.layouts.tcvn3 import TABLE, from_tcvn3, from_unicode


@pytest.mark.skipif(shutil.which("iconv") is None, reason="no iconv to compare with")
def test_every_letter_is_what_iconv_says() -> None:
    assert len(TABLE) == 74
    for code, letter in TABLE.items():
        told = subprocess.run(
            ["iconv", "-f", "TCVN", "-t", "UTF-8"], input=bytes([code, 0x2E]), capture_output=True, check=True
        )
        assert unicodedata.normalize("NFC", told.stdout.decode()) == f"{letter}."


@pytest.mark.parametrize(
    ("kept", "read"),
    [
        ("TØnh/T.phè", "Tỉnh/T.phố"),
        ("B\xd7nh D\xad¬ng", "Bình Dương"),
        ("Bµ RÞa -V.Tµu", "Bà Rịa -V.Tàu"),
        ("§¾k L¾k", "Đắk Lắk"),
        ("TP. H.C.M", "TP. H.C.M"),
    ],
)
def test_names_of_the_yearbooks_are_read(kept: str, read: str) -> None:
    assert from_tcvn3(kept) == read


def test_decomposed_unicode_comes_out_composed() -> None:
    assert from_unicode("Bi\u0300nh") == "Bình"
