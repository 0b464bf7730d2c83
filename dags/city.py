"""City: the shared city dataset, built anew when a department has delivered. A gate stands before the promotion."""

from airflow.sdk import DAG, AssetAny
from steps import CARE, REMOVALS, Delivered, announce, asset, promote, step, within

DEPARTMENTS = ("investment", "education", "health", "cadastre")

with DAG(
    dag_id="city",
    schedule=AssetAny(*map(asset, DEPARTMENTS)),
    catchup=False,
    max_active_runs=1,
    deadline=within(hours=4),
    default_args={**CARE, "owner": "city"},
    params=REMOVALS,
    doc_md=__doc__,
):
    delivered = Delivered(task_id="delivered", departments=DEPARTMENTS)
    delivered >> step("build") >> step("check", "draft", task_id="check_draft") >> promote() >> announce("city")
