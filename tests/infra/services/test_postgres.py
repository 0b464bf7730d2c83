from pathlib import Path

import pytest

from infra.services.postgres import SERVICE
from infra.settings import PORTS, Settings, read_settings
from tests.ports import free_port
from tests.running import postgres_server


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_it_runs_below_an_open_and_below_a_closed_folder(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "Kho mở"
    home.mkdir(mode=mode)
    if mode == 0o755:
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
    settings = Settings(home, read_settings().tools, {**PORTS, "postgres": free_port()})
    SERVICE.prepare(settings)
    with postgres_server(settings):  # which prepares it once more
        pass
