"""Education: schools and the wards' workbooks of pupils, from the Department of Education and Training's server."""

from airflow.sdk import DAG
from steps import CARE, PERIOD, at, close, deliver, within

with DAG(
    dag_id="education",
    schedule=at("0 2 * * *"),  # wards upload until late in the evening, on any day
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,  # not more connections than that at once to one department
    deadline=within(hours=6),  # at the start of a school year every ward sends a workbook
    default_args={**CARE, "owner": "so-giao-duc-va-dao-tao", "retries": 3},  # a fetch goes on where it broke off
    params=PERIOD,
    doc_md=__doc__,
):
    close(
        "education",
        deliver("education.schools", "sftp"),
        deliver("education.pupils", "sftp"),
    )
