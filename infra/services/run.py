"""Become a service: `python -m infra.services.run NAME`, what the supervisor starts.

Commands and secrets are worked out here, at the moment of the start, so that no generated file and no command line
carries a secret and no path needs quoting.
"""

from __future__ import annotations

import os
import sys

from infra.services import end_remains, mark_start
from infra.services.registry import SERVICES
from infra.settings import read_settings
from quality.refusal import run


def main() -> None:
    """Replace this process by the service's own."""
    settings = read_settings()
    name = sys.argv[1]
    command = SERVICES[name].command(settings)
    os.chdir(command.folder)
    os.umask(command.umask)
    end_remains(settings, name)
    mark_start(settings, name)
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment = {
        **inherited,
        "LC_ALL": "C.UTF-8",  # Java reads paths in the locale's character set
        "TZ": "Asia/Ho_Chi_Minh",
        "KHO_HOME": str(settings.home),
        "KHO_SERVICE": name,  # by this `kho down` knows its own
        **command.environment,
    }
    os.execve(command.argv[0], command.argv, environment)  # noqa: S606 - the supervisor's child becomes the service


if __name__ == "__main__":
    sys.exit(run(main))
