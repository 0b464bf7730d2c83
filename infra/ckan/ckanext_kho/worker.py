"""The worker of CKAN's background jobs: `python -m ckanext_kho.worker`."""

from ckan.cli import load_config
from ckan.config.middleware import make_app
from ckan.lib import jobs


def main() -> None:
    """Work until told to stop."""
    make_app(load_config())
    jobs.Worker().work(with_scheduler=False, logging_level="WARNING")


if __name__ == "__main__":
    main()
