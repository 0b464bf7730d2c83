"""The stack under test: real services in a folder and on ports of their own, started once for all tests that ask.

Tests that need only the engine, or only the portal, have one of their own, so that they run beside those of the whole
stack. The folders' names have a space and Vietnamese letters on purpose. `KHO_TEST_HOME=FOLDER` keeps what was started
running there from one run of the tests to the next, for those who write them; `KHO_TEST_PORT_BASE` lets two of them
work at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.settings import ROOT, read_settings
from spark_jobs.connectors import variable
from tests.stack import Stack

PORT_BASE = int(os.environ.get("KHO_TEST_PORT_BASE", "27000"))
INSTALLATIONS = ("stack", "engine", "ckan")
GIVE_WAY = 5  # to the tests with an engine, which take longest
YEARBOOKS = ROOT / "infra" / "departments" / "health" / "yearbooks"

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before the distribution looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one installation run in one process, one after another; meanwhile all others run in the third.

    Of those, a module's run in one, for what they share is made once a process.
    """
    places = {}
    for item in items:
        shared = next((name for name in INSTALLATIONS if name in getattr(item, "fixturenames", ())), "")
        item.add_marker(pytest.mark.xdist_group(shared or item.nodeid.partition("::")[0]))
        is_disruptive = item.get_closest_marker("disruptive") is not None
        places[item] = (not shared, is_disruptive)
    items.sort(key=lambda item: places[item])


@pytest.fixture(scope="session")
def new_home() -> Iterator[Stack]:
    """Where the stack is to run, with nothing in it."""
    with _installation("để thử", PORT_BASE) as stack:
        yield stack


@pytest.fixture(scope="session")
def interrupted_start(new_home: Stack) -> tuple[int, str] | None:
    """The exit code and the words of the first start of all, after Ctrl-C in the middle of things, wherever that is.

    None where all runs already (KHO_TEST_HOME).
    """
    if new_home.processes():
        return None
    starting = new_home.start("up")
    time.sleep(3)
    starting.send_signal(signal.SIGINT)
    _, said = starting.communicate(timeout=120)
    return starting.returncode, said


@pytest.fixture(scope="session")
def stack(new_home: Stack, interrupted_start: tuple[int, str] | None) -> Stack:  # noqa: ARG001 - it comes after that
    """All services, the simulated departments' too, with little data, and nothing fetched yet."""
    new_home.kho("departments", "--size=test")
    return new_home


@pytest.fixture(scope="session")
def published(stack: Stack) -> Stack:
    """The stack after the main job: Airflow has carried what the departments offer to the portal."""
    stack.kho("demo")
    return stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Stack]:
    """The engine alone; of the departments' deliveries, only the yearbooks can be reached."""
    with _installation("chỉ có máy", PORT_BASE + 100, **{variable("health", "folder"): str(YEARBOOKS)}) as engine:
        engine.kho("up", "engine")
        yield engine


@pytest.fixture(scope="session")
def ckan() -> Iterator[Stack]:
    """The portal alone, with nothing published; some tests kill its services."""
    with _installation("chỉ có cổng", PORT_BASE + 200) as portal:
        portal.kho("up", "portal-jobs")
        _give_way(portal)
        yield portal


def _give_way(installation: Stack) -> None:
    """Be nice, and what this process starts with it. Linux may weigh whole sessions: services have one of their own."""
    os.nice(GIVE_WAY)
    for process in installation.processes():
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/autogroup").write_text(str(GIVE_WAY), encoding="ascii")


@contextmanager
def _installation(name: str, port_base: int, **sources: str) -> Iterator[Stack]:
    """A folder and ports for services, of which none runs any more afterwards.

    Not in pytest's own folder: that is closed to others, and who runs the tests as root may be in a container where
    PostgreSQL then could not run.
    """
    kept = os.environ.get("KHO_TEST_HOME")
    cache = read_settings().home / "cache"
    home = Path(kept).resolve() / name if kept else cache / f"Kho mở {name} {os.getpid()}"
    ours = {"KHO_HOME": str(home), "KHO_TOOLS": str(read_settings().tools), "KHO_PORT_BASE": str(port_base)}
    others = {name: value for name, value in os.environ.items() if not name.startswith("KHO_") and name != "PYTHONPATH"}
    with pytest.MonkeyPatch.context() as patch:
        for variable_name in [name for name in os.environ if name.startswith("KHO_")]:
            patch.delenv(variable_name)
        for variable_name, value in ours.items():
            patch.setenv(variable_name, value)
        settings = read_settings()
    running = Stack(settings, {**others, **ours, **sources})
    try:
        yield running
    finally:
        if not kept:
            running.kho("down")
            assert not running.processes(), "./kho down left processes"
            shutil.rmtree(home)
