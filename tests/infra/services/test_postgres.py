import os
import subprocess
import time
from pathlib import Path

import pytest

from infra.services.postgres import SERVICE
from infra.settings import PORTS, Settings, read_settings
from tests.ports import free_port

START_SECONDS = 120


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_it_runs_below_an_open_and_below_a_closed_folder(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "Kho mở"
    home.mkdir(mode=mode)
    if mode == 0o755:
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
    settings = Settings(home, read_settings().tools, {**PORTS, "postgres": free_port()})
    SERVICE.prepare(settings)
    SERVICE.prepare(settings)
    command = SERVICE.command(settings)
    server = subprocess.Popen(command.argv, cwd=command.folder, env={**os.environ, **command.environment})
    try:
        deadline = time.monotonic() + START_SECONDS
        while (answer := SERVICE.ready(settings)) is not None:
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)
    finally:
        server.terminate()
        server.wait(START_SECONDS)
