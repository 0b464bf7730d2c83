import os
import re
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.services.registry import SERVICES
from infra.supervise import RUNNING, State, _with_needs, states
from tests.stack import Stack

BACK_SECONDS = 180


def _running(stack: Stack, name: str) -> State:
    (state,) = (state for state in states(stack.settings) if state.name == name)
    return state


def test_status_shows_every_service_running_with_its_pid_memory_and_address(stack: Stack) -> None:
    printed = stack.kho("status").stdout
    for name in SERVICES:
        assert re.search(rf"^{name} +running +\d+ ", printed, re.MULTILINE), printed
    assert stack.settings.portal_url in printed


def test_an_interrupted_start_ends_at_once_and_the_next_finishes_it(
    interrupted_start: tuple[int, str] | None, stack: Stack
) -> None:
    if interrupted_start is None:
        pytest.skip("it has been running since before the tests: KHO_TEST_HOME")
    code, said = interrupted_start
    assert code == 1
    assert "stopped by you" in said
    assert {state.name for state in states(stack.settings) if state.state == RUNNING} == SERVICES.keys()


def test_up_again_starts_nothing(stack: Stack) -> None:
    before = {state.name: state.pid for state in states(stack.settings)}
    stack.kho("up")
    assert {state.name: state.pid for state in states(stack.settings)} == before


def test_of_a_named_service_only_what_it_needs_is_started(engine: Stack) -> None:
    engine.kho("up", "engine")
    assert {state.name for state in states(engine.settings) if state.state == RUNNING} == {"engine"}
    refused = engine.kho("up", "engines", check=False)
    assert refused.returncode == 1
    assert "no such service" in refused.stderr
    assert "portal-jobs" in refused.stderr
    assert _with_needs(SERVICES, ["portal-jobs"]).keys() == {"postgres", "valkey", "solr", "portal", "portal-jobs"}


def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    assert "wrong" not in stack.kho("doctor").stdout


def test_a_services_log_can_be_read_and_an_unknown_one_is_refused(stack: Stack) -> None:
    assert "database system is ready" in stack.kho("logs", "postgres").stdout
    refused = stack.kho("logs", "postgress", check=False)
    assert refused.returncode == 1
    assert "postgres" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_everything_listens_on_loopback_only(stack: Stack) -> None:
    ours = {process.pid for process in stack.processes()}
    open_sockets = [c for c in psutil.net_connections("inet") if c.pid in ours and c.status == psutil.CONN_LISTEN]
    listening = [(str(c.laddr[0]), c.laddr[1]) for c in open_sockets if c.laddr]
    assert {port for _, port in listening} >= set(stack.settings.ports.values())
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_secrets_are_their_owners_alone_and_in_no_log_or_command_line(stack: Stack) -> None:
    files = [path for path in (stack.settings.home / "secrets").iterdir() if path.is_file()]
    assert len(files) > 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    secrets = [path.read_bytes() for path in files]
    shown = [" ".join(process.cmdline()).encode() for process in stack.processes()]
    logs = [path for path in stack.settings.logs.rglob("*") if path.is_file()]
    assert len(logs) >= len(SERVICES)
    for text in shown + [path.read_bytes() for path in logs]:
        assert not [secret for secret in secrets if secret in text]


def test_a_busy_port_is_named_with_its_holder(tmp_path: Path, stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        other = {"KHO_HOME": str(tmp_path / "home"), "KHO_PORT_BASE": "28000", "KHO_PORT_SOLR": port}
        refused = stack.kho("up", check=False, **other)
    assert refused.returncode == 1
    assert f"port {port} is busy, solr needs it" in refused.stderr
    assert f"process {os.getpid()} ({sys.executable}" in refused.stderr
    assert "KHO_PORT_SOLR" in refused.stderr
    assert not (tmp_path / "home" / "run" / "supervisor.pid").exists()


@pytest.mark.disruptive
@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_killed_service_comes_back_by_itself(published: Stack, name: str) -> None:
    before = _running(published, name)
    os.kill(before.pid, signal.SIGKILL)
    deadline = time.monotonic() + BACK_SECONDS
    while (answer := SERVICES[name].ready(published.settings)) or _running(published, name).pid in {0, before.pid}:
        assert time.monotonic() < deadline, answer
        time.sleep(0.5)


@pytest.mark.disruptive
def test_after_all_that_the_flow_goes_on(published: Stack) -> None:
    published.kho("up")
    assert "done in" in published.kho("demo").stdout


@pytest.mark.disruptive
def test_what_was_stopped_starts_again(ckan: Stack) -> None:
    ckan.kho("down")
    assert not ckan.processes()
    ckan.kho("up", "portal-jobs")
