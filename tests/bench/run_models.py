"""One run of some of dbt's models, without their tests: `python -m tests.bench.run_models FOLDER MODEL …`.

With the views that they read, for an engine knows none at its start.
"""

from __future__ import annotations

import sys
from pathlib import Path

from spark_jobs.build import DOOR, run_dbt
from spark_jobs.environment import setting
from spark_jobs.lineage import behind, is_view


def main() -> None:
    """What dbt says, if it fails."""
    folder, *models = sys.argv[1:]
    Path(folder).mkdir(exist_ok=True)
    read = {name for model in models for name in behind(model, through_tables=False).nodes}
    words = ["run", "--select", *models, *sorted(filter(is_view, read))]
    done = run_dbt(words, Path(folder), {name: setting(name) for name in DOOR})
    if done.returncode:
        print(done.stdout[-4000:])
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
