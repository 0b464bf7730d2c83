"""Upkeep: the lake's small files put together, and what no release and no export needs any more removed."""

from airflow.sdk import DAG
from steps import CARE, at, step, within

with DAG(
    dag_id="upkeep",
    schedule=at("0 6 * * 0"),  # after the week's last delivery, the cadastre's map sheets, has gone through
    catchup=False,
    max_active_runs=1,
    deadline=within(hours=6),
    default_args={**CARE, "owner": "city"},
    doc_md=__doc__,
):
    step("compact")
