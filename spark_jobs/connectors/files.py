"""Departments that deliver files with names: which of them belong to a table, and where files go back to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from unicodedata import normalize

from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs.connectors import PARTIAL, Offer
from spark_jobs.extracts import ALL

INBOX = "tra-lai"  # trả lại: what we give back lies there, and is nobody's delivery
UNFINISHED = (PARTIAL, ".part", ".filepart", ".tmp")  # FileZilla, WinSCP, rsync and the rest call an upload so


@dataclass(frozen=True)
class Found:
    """What lies there: its path below the root, with `/`. Without a stamp it is no file: a link elsewhere, a pipe."""

    name: str
    size: int = -1
    stamp: str = ""


def is_delivery(name: str, *, at_root: bool) -> bool:
    """Whether a file or folder of this name may be one. Hidden ones and Excel's lock files (`~$…`) never are."""
    return not (name.startswith((".", "~$")) or name.lower().endswith(UNFINISHED) or (at_root and name == INBOX))


def sorted_out(found: Iterable[Found], delivery: Delivery) -> tuple[list[Offer], list[str]]:
    """Offers by period and name, and the names of all the rest.

    Patterns are matched in NFC, for macOS decomposes names; the file keeps the name it has. A name that is no UTF-8
    can be no file of ours: it could not be written down in a manifest; nor can one with signs that nobody sees.
    """
    offers, strangers = [], []
    for file in found:
        match = re.fullmatch(delivery.files, normalize("NFC", file.name))
        if match and file.stamp and readable(file.name) == file.name:
            offers.append(Offer(match.groupdict().get("period") or ALL, file.name, file.stamp, file.size))
        else:
            strangers.append(readable(file.name))
    return sorted(offers, key=lambda offer: (offer.period, offer.name)), sorted(strangers)


def readable(name: str) -> str:
    r"""A name that can be printed: bytes that are no UTF-8 as `\xNN`, and so are signs that nobody sees."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def in_inbox(name: str) -> PurePosixPath:
    """Where a file of that name goes, relative to the root."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise Refusal("a file for an inbox has no usable name", expected="a relative path without ..", found=repr(name))
    return PurePosixPath(INBOX) / path
