"""`./kho status`: one line a service."""

from __future__ import annotations

from infra import supervise
from infra.services import airflow, engine
from infra.services.registry import services
from infra.settings import ANALYST, ANALYST_SECRET, Settings

MIB = 1024 * 1024


def _addresses(settings: Settings) -> dict[str, str]:
    """Where a person or a client reaches a service, for those that have a door."""
    return {
        "portal": settings.portal_url,
        "airflow-api-server": f"{airflow.url(settings)}  (user {airflow.ADMIN}, password in secrets/airflow-admin)",
        "engine": f"{engine.url(settings)}  (user {ANALYST}, password in secrets/{ANALYST_SECRET})",
        "postgres": f"127.0.0.1:{settings.ports['postgres']}",
        "valkey": f"127.0.0.1:{settings.ports['valkey']}",
        "solr": f"127.0.0.1:{settings.ports['solr']}",
        "department-files": f"sftp://127.0.0.1:{settings.ports['sftp']}",
        "department-api": f"https://127.0.0.1:{settings.ports['api']}",
    }


def print_status(settings: Settings) -> None:
    """Print every service's state, pid, port, memory and address, and the sum of memory."""
    addresses = _addresses(settings)
    print(f"{'service':<23}{'state':<10}{'pid':>8}  {'port':<12}{'memory':>9}  address")
    total = 0
    for state in supervise.states(settings):
        total += state.memory
        ports = ",".join(str(settings.ports[port]) for port in services(settings)[state.name].ports) or "-"
        row = f"{state.name:<23}{state.state.lower():<10}{state.pid or '-':>8}  {ports:<12}{state.memory // MIB:>5} MiB"
        print(f"{row}  {addresses.get(state.name, '')}".rstrip())
    print(f"{'together':<55}{total // MIB:>5} MiB")
