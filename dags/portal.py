"""Portal: what the public may see of the city dataset, exported and published. A gate stands before the export."""

from airflow.sdk import DAG
from steps import CARE, asset, step, within

with DAG(
    dag_id="portal",
    schedule=[asset("city")],
    catchup=False,
    max_active_runs=1,
    deadline=within(hours=2),
    default_args={**CARE, "owner": "portal"},
    doc_md=__doc__,
):
    step("protect") >> step("check", "open", task_id="check_open") >> step("export") >> step("apply")
