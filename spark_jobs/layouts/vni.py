"""VNI-Windows (fonts VNI-Times, VNI-Helve): a Vietnamese letter is often two characters, the vowel and its marks.

Spreadsheets and DBF files keep it as Latin-1 code points: "Tænh" is "Tỉnh", "Quaän" is "Quận". The vowel says whether
the letter is a capital, for marks are typed in either case.
"""

from __future__ import annotations

import re
import unicodedata

_GRAVE, _ACUTE, _TILDE, _HOOK, _DOT = "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"
_BREVE, _CIRCUMFLEX = "\u0306", "\u0302"
_TONES = {"ù": _ACUTE, "ø": _GRAVE, "û": _HOOK, "õ": _TILDE, "ï": _DOT}
_WITH_CIRCUMFLEX = {"â": "", "á": _ACUTE, "à": _GRAVE, "å": _HOOK, "ã": _TILDE, "ä": _DOT}
_WITH_BREVE = {"ê": "", "é": _ACUTE, "è": _GRAVE, "ú": _HOOK, "ü": _TILDE, "ë": _DOT}
_ALONE = {"ô": "ơ", "ö": "ư", "ñ": "đ", "í": "í", "ì": "ì", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}


def _table() -> dict[str, str]:
    """Every sequence in small letters: those of one character and those of two."""
    pairs = {vowel + mark: _ALONE.get(vowel, vowel) + tone for vowel in "aeouyôö" for mark, tone in _TONES.items()}
    pairs |= {vowel + mark: vowel + _CIRCUMFLEX + tone for vowel in "aeo" for mark, tone in _WITH_CIRCUMFLEX.items()}
    pairs |= {"a" + mark: "a" + _BREVE + tone for mark, tone in _WITH_BREVE.items()}
    return {sequence: unicodedata.normalize("NFC", letter) for sequence, letter in (pairs | _ALONE).items()}


TABLE = _table()
_SEQUENCE = re.compile("|".join(sorted(TABLE, key=len, reverse=True)), re.IGNORECASE)


def from_vni(text: str) -> str:
    """VNI-Windows kept as Latin-1 code points, as Unicode NFC."""
    return unicodedata.normalize("NFC", _SEQUENCE.sub(_letter, text))


def is_vni(word: str) -> bool:
    """Whether every character beyond ASCII is a letter, or a mark that has its vowel."""
    return _SEQUENCE.sub("", word).isascii()


def _letter(found: re.Match[str]) -> str:
    letter = TABLE[found[0].lower()]
    return letter.upper() if found[0][0].isupper() else letter
