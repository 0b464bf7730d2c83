"""The pages of docs/, and the pieces of code on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from infra.settings import ROOT

DOCS = ROOT / "docs"


class Block(NamedTuple):
    """A piece of a page between two fences, and its language."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """All of a page."""
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)]
