import subprocess
import sys

import pytest

from infra.settings import ROOT

PRELUDE = "import sys, socket; from quality.refusal import run; sys.exit(run(lambda: {}))"


def said(work: str, reader: str) -> tuple[int, str]:
    """Exit code and stderr of work whose output goes to a shell's reader."""
    command = f'"$0" -c "$1" | {reader}; exit ${{PIPESTATUS[0]}}'
    argv = ["bash", "-c", command, sys.executable, PRELUDE.format(work)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("work", "reader"), [("[print(line) for line in range(100_000)]", "head -1"), ("print('one line')", "true")]
)
def test_a_reader_that_has_seen_enough_is_no_failure_to_speak_of(work: str, reader: str) -> None:
    assert said(work, reader)[1] == ""


def test_another_end_that_hung_up_is_told() -> None:
    work = "[end.close() if end is pair[0] else end.send(b'x') for pair in [socket.socketpair()] for end in pair]"
    code, told = said(work, "cat")
    assert (code, told.splitlines()[0]) == (1, "kho: BrokenPipeError: [Errno 32] Broken pipe")
