"""The stack under test: real services in a folder and on ports of their own, started once for all tests that ask.

The folder's name has a space and Vietnamese letters on purpose. `KHO_TEST_HOME=FOLDER` keeps the stack running there
from one run of the tests to the next, for those who write them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.departments import open_departments
from infra.settings import ROOT, Settings, read_settings

PORT_BASE = "27000"
COMMAND_SECONDS = 600


@dataclass(frozen=True)
class Stack:
    """A running installation."""

    settings: Settings
    variables: Mapping[str, str]

    @property
    def env(self) -> dict[str, str]:
        """The environment that `./kho` gives to a step, for tests that start a step's module themselves."""
        return {**self.variables, **self.settings.environment(), "PYTHONPATH": str(ROOT)}

    def kho(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `./kho` against this installation. With `check`, a failure fails the test with what was printed."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "kho"), *arguments],
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"./kho {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done


def _variables(home: Path) -> dict[str, str]:
    ours = {"KHO_HOME": str(home), "KHO_TOOLS": str(read_settings().tools), "KHO_PORT_BASE": PORT_BASE}
    others = {name: value for name, value in os.environ.items() if not name.startswith("KHO_") and name != "PYTHONPATH"}
    return {**others, **ours}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All services, with the simulated departments' folders laid out and nothing fetched yet."""
    kept = os.environ.get("KHO_TEST_HOME")
    home = Path(kept).resolve() if kept else tmp_path_factory.mktemp("kho") / "Kho mở để thử"
    variables = _variables(home)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KHO_")]:
            patch.delenv(name)
        for name in ("KHO_HOME", "KHO_TOOLS", "KHO_PORT_BASE"):
            patch.setenv(name, variables[name])
        settings = read_settings()
    running = Stack(settings, variables)
    open_departments(settings)
    try:
        running.kho("up")
        yield running
    finally:
        if not kept:
            running.kho("down", check=False)
