"""Files whose readers do not live to tell: opening one does to its reader what a broken parser would."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path, PosixPath
from typing import Any


class Aborting(PosixPath):
    """As Rust and C++ do when they meet what cannot be."""

    def open(self, *_: Any, **__: Any) -> Any:
        os.abort()


class Faulting(PosixPath):
    """A memory access that is none."""

    def open(self, *_: Any, **__: Any) -> Any:
        return ctypes.string_at(0)


class Quitting(PosixPath):
    """Without a word, and as if all were well."""

    def open(self, *_: Any, **__: Any) -> Any:
        os._exit(0)


class Hoarding(PosixPath):
    """Takes all the memory there is."""

    def open(self, *_: Any, **__: Any) -> Any:
        hoard = []
        while True:
            hoard.append(b"x" * (8 << 20))


class Hoarding2(PosixPath):
    """Takes it past Python, which then cannot say that there is none."""

    def open(self, *_: Any, **__: Any) -> Any:
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        while True:
            ctypes.memset(libc.malloc(8 << 20), 1, 8 << 20)


class Endless(PosixPath):
    """Never comes to an end. How long it may take stands in a file beside it; here it takes less."""

    def open(self, *_: Any, **__: Any) -> Any:
        left_s, _again = signal.setitimer(signal.ITIMER_REAL, 0.2)
        Path(self.parent, "left").write_text(str(left_s), encoding="ascii")
        while True:
            signal.pause()
