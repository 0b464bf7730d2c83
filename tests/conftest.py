"""The stack under test: real services in a folder and on ports of their own, started once for all tests that ask.

The folder's name has a space and Vietnamese letters on purpose. `KHO_TEST_HOME=FOLDER` keeps the stack running there
from one run of the tests to the next, for those who write them; `KHO_TEST_PORT_BASE` lets two of them work at once.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import read_settings
from tests.stack import Stack

PORT_BASE = os.environ.get("KHO_TEST_PORT_BASE", "27000")

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before the distribution looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the one stack run in one process, one after another; meanwhile all others run in the second."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("stack"))


def _variables(home: Path) -> dict[str, str]:
    ours = {"KHO_HOME": str(home), "KHO_TOOLS": str(read_settings().tools), "KHO_PORT_BASE": PORT_BASE}
    others = {name: value for name, value in os.environ.items() if not name.startswith("KHO_") and name != "PYTHONPATH"}
    return {**others, **ours}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """All services, the simulated departments' too, with little data, and nothing fetched yet."""
    kept = os.environ.get("KHO_TEST_HOME")
    # Not in pytest's own folder: that is closed to others, and who runs the tests as root may be in a container where
    # PostgreSQL then could not run.
    home = Path(kept).resolve() if kept else read_settings().home / "cache" / f"Kho mở để thử {os.getpid()}"
    variables = _variables(home)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KHO_")]:
            patch.delenv(name)
        for name in ("KHO_HOME", "KHO_TOOLS", "KHO_PORT_BASE"):
            patch.setenv(name, variables[name])
        settings = read_settings()
    running = Stack(settings, variables)
    try:
        running.kho("departments", "--size=test")
        yield running
    finally:
        if not kept:
            running.kho("down")
            assert not running.processes(), "./kho down left processes"
            shutil.rmtree(home)


@pytest.fixture(scope="session")
def published(stack: Stack) -> Stack:
    """The stack after the main job: Airflow has carried what the departments offer to the portal."""
    stack.kho("demo")
    return stack
