"""TCVN3 (ABC, fonts .VnTime and .VnArial): the Vietnamese of files made before Unicode.

Spreadsheets keep it as Latin-1 code points: "TØnh" is "Tỉnh". The table is the upper half of TCVN 5712:1993 as far as
TCVN3 fonts use it (`iconv -f TCVN` agrees; a test compares). Capitals with a tone have no codes of their own: the
fonts .VnTimeH draw small letters as capitals, so they come out small.
"""

from __future__ import annotations

import unicodedata

_LETTERS = {
    0xA1: "ĂÂÊÔƠƯĐăâêôơưđ",
    0xB5: "àảãáạ",
    0xBB: "ằẳẵắ",
    0xC6: "ặầẩẫấậ",
    0xCC: "è",
    0xCE: "ẻẽéẹềểễếệìỉ",
    0xDC: "ĩíịò",
    0xE1: "ỏõóọồổỗốộờởỡớợù",
    0xF1: "ủũúụừửữứựỳỷỹýỵ",
}
TABLE = {first + step: letter for first, letters in _LETTERS.items() for step, letter in enumerate(letters)}


def from_tcvn3(text: str) -> str:
    """TCVN3 kept as Latin-1 code points, as Unicode NFC."""
    return unicodedata.normalize("NFC", text.translate(TABLE))


def is_tcvn3(word: str) -> bool:
    """Whether every character beyond ASCII is one that the fonts have a letter for."""
    return all(letter.isascii() or ord(letter) in TABLE for letter in word)


def from_unicode(text: str) -> str:
    """Unicode as it comes (composed or not), as Unicode NFC."""
    return unicodedata.normalize("NFC", text)
