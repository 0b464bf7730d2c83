from dataclasses import replace
from pathlib import Path

import pytest

from infra.services import Service, portal, solr, valkey
from tests.stack import Stack

SERVICES = [valkey.SERVICE, solr.SERVICE, portal.PORTAL]


@pytest.mark.parametrize("service", [*SERVICES, portal.JOBS], ids=lambda service: service.name)
def test_a_running_service_is_ready(stack: Stack, service: Service) -> None:
    assert service.ready(stack.settings) is None


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_another_installations_service_on_our_port_is_not_taken_for_ours(
    stack: Stack, service: Service, tmp_path: Path
) -> None:
    answer = service.ready(replace(stack.settings, home=tmp_path))
    assert answer
    assert answer.startswith("expected")


@pytest.mark.parametrize("service", [*SERVICES, portal.JOBS], ids=lambda service: service.name)
def test_a_service_that_is_down_is_not_ready(stack: Stack, service: Service) -> None:
    nowhere = replace(stack.settings, ports=dict.fromkeys(stack.settings.ports, 9))
    assert "refused" in (service.ready(nowhere) or "")


def test_preparing_again_changes_no_token_and_no_secret(stack: Stack) -> None:
    folder = stack.settings.home / "secrets"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert "publisher-token" in before
    portal.PORTAL.prepare(stack.settings)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
