"""Health: yearbooks of communicable diseases from the Department of Health, looked for every night."""

from airflow.sdk import DAG
from steps import PERIOD, RETRIES, announce, at, deliver

with DAG(
    dag_id="health",
    schedule=at("0 3 * * *"),  # a yearbook may come on any day
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "health", **RETRIES},
    params=PERIOD,
    doc_md=__doc__,
):
    deliver("health.disease_cases") >> announce("health")
