"""An installation of its own to measure on: everything runs below one folder, on ports of its own, and ends with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.departments.addresses import variables
from infra.settings import PORTS, ROOT, Settings
from infra.supervise import states
from tests.bench.measured import Measure, measure

DOWN_SECONDS = 180


@dataclass(frozen=True)
class Installation:
    """One that runs."""

    settings: Settings
    environment: Mapping[str, str]

    @property
    def engine(self) -> int:
        """Its pid now: who watches it starts it anew when it does not answer."""
        return next(state.pid for state in states(self.settings) if state.name == "engine")

    def step(self, *words: str) -> Measure:
        """One step as a process of its own, as a person or Airflow starts it."""
        return measure([sys.executable, str(ROOT / "kho"), *words], self.environment, ROOT, self.engine)

    def module(self, name: str, *words: str) -> Measure:
        """A module of this project, with the environment of a step."""
        environment = {**self.environment, **self.settings.environment(), "PYTHONPATH": str(ROOT)}
        argv = [str(self.settings.python("lake")), "-m", name, *words]
        return measure(argv, environment, ROOT, self.engine)

    def go_to(self, month: str) -> None:
        """The departments offer what they have at the end of that month."""
        self.kho("departments", "--month", month)

    def kho(self, *words: str) -> None:
        """A command that is not measured."""
        _kho(self.environment, *words)


@contextmanager
def installation(home: Path, tools: Path, port_base: int, *start: str) -> Iterator[Installation]:
    """Started from nothing by a command; whatever happens, no process of it is left. Its folder stays."""
    ours = {"KHO_HOME": str(home), "KHO_TOOLS": str(tools), "KHO_PORT_BASE": str(port_base)}
    others = {name: value for name, value in os.environ.items() if not name.startswith("KHO_") and name != "PYTHONPATH"}
    environment = {**others, **ours}
    settings = Settings(home, tools, {name: port_base + offset for name, offset in PORTS.items()})
    try:
        _kho(environment, *start)
        sources = variables(settings) if settings.departments.exists() else {}
        yield Installation(settings, {**environment, **sources})
    finally:
        # In a session of its own: who presses Ctrl-C twice shall not be left with a dozen services.
        argv = [sys.executable, str(ROOT / "kho"), "down"]
        subprocess.run(argv, cwd=ROOT, env=environment, check=True, start_new_session=True, timeout=DOWN_SECONDS)


def remove(home: Path) -> None:
    """All of a stopped installation."""
    shutil.rmtree(home)


def _kho(environment: Mapping[str, str], *words: str) -> None:
    argv = [sys.executable, str(ROOT / "kho"), *words]
    # Not where we are: to talk to a supervisor, `states` goes into its folder, which may be gone by now.
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"./kho {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
