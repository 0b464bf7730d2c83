"""All services by name, in the order in which they are listed."""

from __future__ import annotations

from infra.departments import are_open
from infra.services import Service, airflow, departments, engine, portal, postgres, solr, valkey
from infra.settings import Settings

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        postgres.SERVICE,
        valkey.SERVICE,
        solr.SERVICE,
        engine.SERVICE,
        portal.PORTAL,
        portal.JOBS,
        airflow.API_SERVER,
        airflow.SCHEDULER,
        airflow.DAG_PROCESSOR,
        airflow.TRIGGERER,
        departments.FILES,
        departments.API,
    )
}
SIMULATED = {departments.FILES.name, departments.API.name}


def services(settings: Settings) -> dict[str, Service]:
    """Those that this installation has: the simulated departments are for the demo and for tests."""
    has_departments = are_open(settings)
    return {name: service for name, service in SERVICES.items() if has_departments or name not in SIMULATED}
