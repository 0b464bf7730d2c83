"""City: the shared city dataset, built anew when a department has delivered. A gate stands before the promotion."""

from airflow.sdk import DAG
from steps import CARE, REMOVALS, announce, asset, promote, step, within

with DAG(
    dag_id="city",
    schedule=asset("investment") | asset("education") | asset("health") | asset("cadastre"),
    catchup=False,
    max_active_runs=1,
    deadline=within(hours=4),
    default_args={**CARE, "owner": "city"},
    params=REMOVALS,
    doc_md=__doc__,
):
    step("build") >> step("check", "draft", task_id="check_draft") >> promote() >> announce("city")
