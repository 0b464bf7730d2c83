import json
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from infra import install
from infra.archives import ArchiveMismatch, fetch
from infra.settings import PORTS, Settings, read_settings

# The smallest real things to install: a package without dependencies and a small archive.
PACKAGE = "iniconfig==2.1.0 --hash=sha256:9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760"  # its wheel
ARCHIVE = "io/delta/delta-storage/4.4.0/delta-storage-4.4.0.jar"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation without anything, whose only environment is `small`."""
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "small.txt").write_text(PACKAGE)
    for name in ("uv.txt", "build.txt"):
        (locks / name).write_bytes((install.LOCKS / name).read_bytes())
    monkeypatch.setattr(install, "LOCKS", locks)
    return Settings(tmp_path / "Kho mở", tmp_path / "Kho mở" / "công cụ", PORTS)


@pytest.fixture
def with_installer(settings: Settings) -> Settings:
    """The same with the installer of the installation that runs these tests, for those that do not ask how it comes."""
    settings.tools.mkdir(parents=True)
    (settings.tools / "uv").symlink_to(read_settings().tools / "uv")
    return settings


def _says(settings: Settings, code: str) -> str:
    argv = [str(settings.python("small")), "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def _installed(settings: Settings) -> str:
    return _says(settings, "import importlib.metadata as m; print(m.version('iniconfig'))")


def test_an_environment_is_installed_once_and_again_when_its_lock_changes(with_installer: Settings) -> None:
    install.install(with_installer, "small")
    assert _installed(with_installer) == "2.1.0"
    assert _says(with_installer, "import gc; print(gc.get_threshold()[0])") == "100000"
    assert install.missing(with_installer, "small") == []
    (install.LOCKS / "small.txt").write_text(f"{PACKAGE}\n# another lock\n")
    assert install.missing(with_installer, "small") == ["small"]


def test_an_interrupted_set_up_goes_on(with_installer: Settings) -> None:
    install.install(with_installer, "small")
    (with_installer.tools / "small" / ".made-from").unlink()  # it is written last
    (with_installer.site_packages("small") / "iniconfig" / "__init__.py").unlink()
    assert install.missing(with_installer, "small") == ["small"]
    install.install(with_installer, "small")
    assert _installed(with_installer) == "2.1.0"


@pytest.mark.parametrize("lacks", ["pip", "ensurepip"])
def test_a_python_with_one_installer_is_enough(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lacks: str
) -> None:
    venv.create(tmp_path / "has-both", with_pip=True)
    monkeypatch.setattr(install, "find_spec", lambda name: None if name == lacks else name)
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "has-both" / "bin" / "python"))
    home = settings.tools / "uv"
    (home / "uv").mkdir(parents=True)  # by a set-up that was interrupted
    install.install(settings, "small")
    assert _installed(settings) == "2.1.0"


def test_a_python_that_can_install_nothing_is_told_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_spec", lambda _: None)
    with pytest.raises(install.SetupFailed, match=r"(?s)can install nothing.*python3-venv"):
        install.install(settings, "small")


def test_a_package_with_another_hash_is_refused(with_installer: Settings) -> None:
    (install.LOCKS / "small.txt").write_text(re.sub("sha256:....", "sha256:0000", PACKAGE))
    with pytest.raises(install.SetupFailed, match=r"(?s)set-up stopped.*[Hh]ash mismatch.*what to do"):
        install.install(with_installer, "small")
    assert install.missing(with_installer, "small") == ["small"]


def test_an_archive_with_another_hash_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMismatch, match=r"(?s)delta-storage.*expected: sha256 0000.*found: [0-9a-f]{64}"):
        fetch({"path": ARCHIVE, "sha256": "0000", "size": 1}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_fetched_again(tmp_path: Path) -> None:
    locked = next(a for a in json.loads(install.ARCHIVES.read_text())["engine"] if a["path"] == ARCHIVE)
    target = tmp_path / Path(ARCHIVE).name
    target.write_bytes(b"cut off")
    fetch(locked, tmp_path)
    assert target.stat().st_size == locked["size"]


def test_the_engines_plug_in_is_compiled_again_when_a_source_changes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (install.LOCKS / "lake.txt").touch()
    monkeypatch.setattr(install, "SOURCES", tmp_path)
    source = tmp_path / "Door.scala"
    source.write_text("object Door")
    settings.jars.mkdir(parents=True)
    stamp, made_from = install._guard_stamp(settings)  # noqa: SLF001
    stamp.write_text(made_from)
    assert install.GUARD not in install.missing(settings, archives=True)
    source.write_text("object Gate")
    assert install.GUARD in install.missing(settings, archives=True)


def test_locks_pin_everything_by_hash_and_name_no_host() -> None:
    locks = sorted(path for path in install.LOCKS.glob("*.txt") if path.name != "overrides.txt")
    assert {lock.stem for lock in locks} == {"analyst", "archives", "build", "dev", "lake", "portal", "scheduler", "uv"}
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock
        pinned = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==", text, re.MULTILINE)
        hashed = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE)
        assert len(pinned) == len(hashed) > 0, lock
