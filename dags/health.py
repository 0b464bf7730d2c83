"""Health: yearbooks from a folder, registers and weekly disease figures from the API of the Department of Health."""

from airflow.sdk import DAG
from steps import CARE, PERIOD, at, close, deliver, within

with DAG(
    dag_id="health",
    schedule=at("0 3 * * *"),  # a yearbook or a correction of past weeks may come on any day
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,  # not more questions than that at once to one department
    deadline=within(hours=2),
    default_args={**CARE, "owner": "so-y-te"},
    params=PERIOD,
    doc_md=__doc__,
):
    close(
        "health",
        deliver("health.disease_cases", "folder"),
        deliver("health.facilities", "http"),
        deliver("health.practitioners", "http"),
        deliver("health.disease_weeks", "http"),
    )
