"""All services by name, in the order in which they are listed."""

from __future__ import annotations

from infra.services import Service, airflow, engine, portal, postgres, solr, valkey

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
    )
}
