"""Bytes on their way in, with their SHA-256 at the end."""

from __future__ import annotations

import hashlib
from typing import IO

from ckanext_kho.tables.form import Unfit


class Hashed:
    """A stream that tells, at its end, what came through."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Nothing is read yet."""
        self._stream = stream
        self._sum = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """At most so many bytes."""
        part = self._stream.read(size)
        self._sum.update(part)
        return part

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._sum.hexdigest()


def require_sha256(found: str, sent: str) -> None:
    """Raises Unfit if what came is not what was sent."""
    if found != sent:
        raise Unfit(f"what was sent was changed or cut on its way: expected sha256 {sent}, found {found}")
