import stat
from pathlib import Path

import pytest

from infra.settings import PORTS, Settings, read_settings
from quality.refusal import Refusal


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path, tmp_path / "tools", PORTS)


def test_every_port_follows_the_base_and_one_can_be_set_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHO_PORT_BASE", "20000")
    monkeypatch.setenv("KHO_PORT_SOLR", "8983")
    ports = read_settings().ports
    assert (ports["portal"], ports["airflow"], ports["solr"]) == (20000, 20001, 8983)
    assert len(set(ports.values())) == len(PORTS)


@pytest.mark.parametrize("text", ["http", "80", "70000", ""])
def test_what_is_no_port_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KHO_PORT_SOLR", text)
    with pytest.raises(Refusal, match="KHO_PORT_SOLR is not a port"):
        read_settings()


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(settings: Settings) -> None:
    first = settings.secret("portal-key")
    assert settings.secret("portal-key") == first
    assert settings.secret("other") != first
    assert stat.S_IMODE((settings.home / "secrets" / "portal-key").stat().st_mode) == 0o600


def test_a_secret_put_there_replaces_the_one_before(settings: Settings) -> None:
    settings.secret("publisher-token")
    settings.keep_secret("publisher-token", "given by the portal")
    assert settings.secret("publisher-token") == "given by the portal"
    assert settings.environment()["KHO_PORTAL_TOKEN"] == "given by the portal"  # noqa: S105


def test_the_shell_of_analysts_is_given_the_name_of_a_password_file_and_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.keep_secret("publisher-token", "of the portal")
    own = settings.analyst()
    assert (own["KHO_SQL_USER"], own["KHO_THRIFT_PORT"]) == ("analyst", "2")
    password = Path(own["KHO_SQL_PASSWORD_FILE"]).read_text()
    assert len(password) == 64
    assert not {password, "of the portal"} & set(own.values())
    assert stat.S_IMODE(Path(own["XDG_STATE_HOME"]).stat().st_mode) == 0o700
    monkeypatch.setenv("KHO_SQL_USER", "other")
    monkeypatch.setenv("KHO_SQL_PASSWORD_FILE", "/their/password")
    assert {"other", "/their/password"} < set(settings.analyst().values())
