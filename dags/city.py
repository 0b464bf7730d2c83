"""City: the shared city dataset, built anew when a department has delivered. A gate stands before the promotion."""

from airflow.sdk import DAG
from steps import RETRIES, announce, asset, step

with DAG(
    dag_id="city",
    schedule=[asset("health")],
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "city", **RETRIES},
    doc_md=__doc__,
):
    step("build") >> step("check", "draft", task_id="check_draft") >> step("promote") >> announce("city")
