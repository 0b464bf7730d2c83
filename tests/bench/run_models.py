"""One run of some of dbt's models, without their tests: `python -m tests.bench.run_models FOLDER MODEL …`."""

from __future__ import annotations

import sys
from pathlib import Path

from spark_jobs.build import DOOR, run_dbt
from spark_jobs.environment import setting


def main() -> None:
    """What dbt says, if it fails."""
    folder, *models = sys.argv[1:]
    Path(folder).mkdir(exist_ok=True)
    done = run_dbt(["run", "--select", *models], Path(folder), {name: setting(name) for name in DOOR}, is_large=False)
    if done.returncode:
        print(done.stdout[-4000:])
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
