"""A step as a process of its own, so that it can be stopped in the middle or given little room."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_START = """
import importlib, pickle, resource, sys
from quality.refusal import run
module, function, arguments, largest = pickle.loads(sys.stdin.buffer.read())
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
sys.exit(run(lambda: getattr(importlib.import_module(module), function)(*arguments)))
"""


def start(module: str, function: str, *arguments: object, largest_file: int | None = None) -> subprocess.Popen[bytes]:
    """Call a function as a command would. `largest_file` in bytes is what its user may write, as on a full disk."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _START],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(pickle.dumps((module, function, arguments, largest_file)))
    process.stdin.close()
    process.stdin = None
    return process
