"""Parts of the dbt project, to be broken, and a build of them on the engine under test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.build import PROJECT

if TYPE_CHECKING:
    from tests.stack import Stack

RUN_OTHER_PROJECT = """
import sys, pathlib
from spark_jobs import build
build.PROJECT = pathlib.Path(sys.argv.pop(1))
sys.exit(build.run(build.main))
"""


def part_of_project(to: Path, files: Collection[str]) -> Path:
    """A copy of the project with its macros, and of the seeds, models and tests those with these names."""

    def others(folder: str, names: list[str]) -> list[str]:
        if Path(folder).name in {PROJECT.name, "macros", "generic"}:
            return []
        return [name for name in names if Path(name).suffix and name not in {"seeds.yml", *files}]

    return Path(shutil.copytree(PROJECT, to, ignore=others))


def command_of_build(project: Path) -> list[str]:
    """`kho build` of another project, as a command."""
    return [sys.executable, "-c", RUN_OTHER_PROJECT, str(project)]


def build(engine: Stack, project: Path) -> subprocess.CompletedProcess[str]:
    """`kho build` of another project."""
    command = command_of_build(project)
    return subprocess.run(command, env=engine.env, capture_output=True, text=True, check=False, timeout=300)
