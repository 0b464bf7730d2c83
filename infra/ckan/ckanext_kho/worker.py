"""The worker of CKAN's background jobs: `python -m ckanext_kho.worker`."""

from __future__ import annotations

import logging
import os
from typing import Any

from ckan.cli import load_config
from ckan.config.middleware import make_app
from ckan.lib import jobs

_log = logging.getLogger("ckanext.kho.worker")


class Worker(jobs.Worker):
    """CKAN's, whose child that cannot begin with its job ends there."""

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """In the child. CKAN asks the database first: if that fails, the child would sign its parent off the queue."""
        try:
            super().main_work_horse(job, queue)
        except Exception:  # noqa: BLE001 - whatever it is, it is told, and the parent goes on
            _log.exception("job %s could not be begun", job.id)
            os._exit(1)


def main() -> None:
    """Work until told to stop."""
    make_app(load_config())
    Worker().work(with_scheduler=False, logging_level="WARNING")


if __name__ == "__main__":
    main()
