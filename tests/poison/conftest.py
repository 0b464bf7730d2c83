"""The bench of every test here, and the table of what became of each poison: `./kho test tests/poison`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spark_jobs.reading import Readers
from tests.poison.bench import Bench

POISON = "poison"  # the property under which a test's outcome travels to whoever prints the table


@pytest.fixture(scope="session")
def readers() -> Iterator[Readers]:
    """Which read one poison after the other, as they do in a night."""
    with Readers() as readers:
        yield readers


@pytest.fixture
def bench(readers: Readers, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    def note(outcome: str, message: str, peak: int) -> None:
        request.node.user_properties.append((POISON, [outcome, message.splitlines()[0], peak >> 20]))

    return Bench(tmp_path, readers, note)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a poison."""
    lines = [
        f"| {_sentence(report.nodeid)} | {outcome} | {message[:120]} | {peak_mib or '-'} |"
        for result in ("passed", "failed")
        for report in terminalreporter.getreports(result)
        for name, (outcome, message, peak_mib) in dict(report.user_properties).items()
        if name == POISON and report.when == "call"
    ]
    if lines:
        terminalreporter.section(f"{len(lines)} poisons")
        for line in ["| fixture | outcome | message | peak MiB |", "|---|---|---|---|", *sorted(lines)]:
            terminalreporter.write_line(line)


def _sentence(nodeid: str) -> str:
    """`…/test_books.py::test_a_book_is_…[xls]@…` as a person would say it."""
    return re.sub(r"@[^@\]]*$", "", nodeid.partition("::test_")[2]).replace("_", " ")
