"""The full-screen shell, on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from infra.settings import ROOT

if TYPE_CHECKING:
    from tests.stack import Stack

PATIENCE_SECONDS = 120
CTRL_J, CTRL_Q = b"\n", b"\x11"


def _read_until(terminal: int, wanted: str) -> str:
    """What the terminal showed up to a text, without the signs that move its cursor and colour it."""
    shown = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))
        if wanted in text:
            return text
    raise AssertionError(f"{wanted!r} was not shown within {PATIENCE_SECONDS} s, but {text[-2000:]!r}")


def _exit_code(terminal: int, shell: subprocess.Popen[bytes]) -> int | None:
    """Of the shell, once it has left. What it still draws is read: it waits for that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while shell.poll() is None and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            os.read(terminal, 65536)
    return shell.returncode


def test_the_shell_answers_a_question_and_leaves(engine: Stack) -> None:
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        [sys.executable, str(ROOT / "kho"), "sql"],
        env={**engine.variables, "TERM": "xterm-256color", "LINES": "40", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        _read_until(ours, "Query Editor")
        os.write(ours, "select 'Phường ' || 'Đống Đa' as x".encode())
        time.sleep(1)  # it completes words as they are typed
        os.write(ours, CTRL_J)
        _read_until(ours, "Phường Đống Đa")
        os.write(ours, CTRL_Q)
        assert _exit_code(ours, shell) == 0
    finally:
        shell.kill()
        os.close(ours)
        os.close(theirs)
