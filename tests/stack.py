"""A running installation, as the tests hold it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from infra.departments import addresses
from infra.settings import ROOT, Settings
from spark_jobs.environment import Environment

COMMAND_SECONDS = 1800


@dataclass(frozen=True)
class Stack:
    """A running installation."""

    settings: Settings
    variables: Mapping[str, str]

    @property
    def env(self) -> dict[str, str]:
        """The environment that `./kho` gives to a step, for tests that start a step's module themselves."""
        return {**self.variables, **self.settings.environment(), **self.sources, "PYTHONPATH": str(ROOT)}

    @property
    def sources(self) -> dict[str, str]:
        """The simulated departments' addresses, once their servers have been started."""
        is_known = self.settings.secret_file("departments-host-key.pub").exists()
        return addresses.variables(self.settings) if is_known else {}

    @property
    def environment(self) -> Environment:
        """What a step would read from its environment, for tests that call it in their own process."""
        env = self.env
        return Environment(Path(env["KHO_LAKE"]), env["KHO_WAREHOUSE"], env["KHO_ENGINE"])

    def processes(self) -> list[psutil.Process]:
        """Every process that a service of this installation is or has started, and its supervisor.

        Not those that the tests have started themselves, such as the one that watches over multiprocessing.
        """
        home = self.settings.home
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if os.getpid() not in {process.pid, process.ppid()} and (
                    process.environ().get("KHO_HOME") == str(home) or Path(process.cwd()).is_relative_to(home)
                ):
                    found.append(process)
        return found

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a `./kho` command and return while it runs."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "kho"), *arguments],
            env={**self.variables, **self.sources},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kho(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `./kho` against this installation. With `check`, a failure fails the test with what was printed."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "kho"), *arguments],
            env={**self.variables, **self.sources, **variables},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"./kho {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done
