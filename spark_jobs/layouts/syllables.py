"""Whether a word is a well-formed Vietnamese syllable: onset, rhyme and tone. What a wrong decoding yields hardly is.

The rhymes are those of the spelling in use; a rhyme that ends in c, ch, p or t has the tones sắc or nặng. Rare and
foreign spellings (Krông, Pleiku) are not well-formed: whoever counts must bear some.
"""

from __future__ import annotations

import re
import unicodedata

_ONSET = "ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|[bcdđghklmnprstvx]"
_OPEN = """
    a ai am an ang anh ao au ay ăm ăn ăng âm ân âng âu ây
    e em en eng eo ê êm ên ênh êu
    i ia im in inh iu iêm iên iêng iêu
    o oi om on ong oa oai oam oan oang oanh oao oay oăm oăn oăng oe oen oeo oong ô ôi ôm ôn ông ơ ơi ơm ơn
    u ua ui um un ung uân uâng uây uê uênh uơ uy uya uyên uynh uyu uôi uôm uôn uông
    ư ưa ưi ưm ưn ưng ưu ươi ươm ươn ương ươu
    y yn ynh yêm yên yêng yêu
"""
_STOPPED = """
    ac ach ap at ăc ăp ăt âc âp ât ec ep et êch êp êt ich ip it iêc iêp iêt
    oc op ot oac oach oap oat oăc oăt oet ôc ôp ôt ơp ơt
    uc up ut uât uêch uych uyêt uyp uyt uôc uôt ưc ưt ươc ươp ươt ych yp yt yêt
"""
_OPEN_SYLLABLE = re.compile(f"({_ONSET})?({'|'.join(_OPEN.split())})")
_STOPPED_SYLLABLE = re.compile(f"({_ONSET})?({'|'.join(_STOPPED.split())})")
_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))
_HIGH_OR_LOW = ("\u0301", "\u0323")  # sắc, nặng


def well_formed(word: str) -> bool:
    """Whether it can be read as one syllable; case and the place of the tone do not matter."""
    apart = unicodedata.normalize("NFD", word.lower())
    tones = [mark for mark in apart if ord(mark) in _TONES]
    if len(tones) > 1:
        return False
    letters = unicodedata.normalize("NFC", apart.translate(_TONES))
    if _OPEN_SYLLABLE.fullmatch(letters):
        return True
    return bool(_STOPPED_SYLLABLE.fullmatch(letters)) and "".join(tones) in _HIGH_OR_LOW
