"""Cadastre: map sheets and land prices, from the server of the Department of Agriculture and Environment."""

from airflow.sdk import DAG
from steps import CARE, PERIOD, at, close, deliver, within

with DAG(
    dag_id="cadastre",
    schedule=at("0 4 * * 6"),  # map sheets are redrawn during the week and sent on Friday evening
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,  # not more connections than that at once to one department
    deadline=within(hours=12),  # all sheets of the city are four million parcels
    default_args={**CARE, "owner": "so-nong-nghiep-va-moi-truong", "retries": 3},
    params=PERIOD,
    doc_md=__doc__,
):
    close(
        "cadastre",
        deliver("cadastre.parcels", "sftp"),
        deliver("cadastre.land_prices", "sftp"),
    )
