"""The project's own rules, run by its own tools: style, types, SQL, and who may import whom."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import ROOT, read_settings

TOOLS = {
    "ruff": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "sqlfluff": ["sqlfluff", "lint", "dbt/models", "dbt/tests"],
    "import-linter": ["lint-imports"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_finds_nothing(tool: str) -> None:
    name, *arguments = TOOLS[tool]
    caches = read_settings().home / "cache"
    environment = {
        **os.environ,
        "RUFF_CACHE_DIR": str(caches / "ruff"),
        "MYPY_CACHE_DIR": str(caches / "mypy"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    cacheless = ["--no-cache"] if name == "lint-imports" else []
    program = str(Path(sys.executable).with_name(name))
    done = subprocess.run(
        [program, *arguments, *cacheless], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_nothing_of_this_project_speaks_of_a_machine_or_a_registry() -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in names.split("\0") if name]
    assert len(files) > 50
    # Written in halves, or this file would be found.
    hosts = ["pypi" + ".org", "repo1" + ".maven", "maven" + ".org", "pythonhosted" + ".org", "npmjs" + ".org"]
    paths = ["/home" + "/", "/ro" + "ot/", "/wo" + "rk/"]
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in files
        if file.is_file()
        for word in hosts + paths
        if word.encode() in file.read_bytes()
    ]
    assert found == []
