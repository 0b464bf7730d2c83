"""Investment: projects, plans and payments from the database of the Department of Finance, what changed since."""

from airflow.sdk import DAG
from steps import CARE, PERIOD, at, close, deliver, within

with DAG(
    dag_id="investment",
    schedule=at("0 1 * * *"),  # the treasury's payments of the day are booked by midnight
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,  # not more questions than that at once to one department
    deadline=within(hours=2),
    default_args={**CARE, "owner": "so-tai-chinh"},
    params=PERIOD,
    doc_md=__doc__,
):
    close(
        "investment",
        deliver("investment.fdi_projects", "sql"),
        deliver("investment.fdi_adjustments", "sql"),
        deliver("investment.fdi_contributions", "sql"),
        deliver("investment.public_projects", "sql"),
        deliver("investment.public_plans", "sql"),
        deliver("investment.disbursements", "sql"),
    )
