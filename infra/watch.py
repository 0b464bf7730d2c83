"""Restart services that live but do not answer: `python -m infra.watch`, kept alive by the supervisor itself.

The supervisor sees only death. Airflow's scheduler, for one, when it loses its database, may wait for ever for workers
that have ended. So every service is asked what `./kho up` asks it, and one that was silent for its patience, while all
that it needs did answer, is started again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from infra import supervise
from infra.services import Service
from infra.services.registry import services
from infra.settings import Settings, read_settings
from quality.refusal import run

EVERY_SECONDS = 10


def silent(
    services: Mapping[str, Service],
    age_seconds: Mapping[str, float],
    answers: Mapping[str, bool],
    silence_began: dict[str, float],
    now: float,
) -> list[str]:
    """Names of services to start again. `silence_began` is kept from one look to the next, and brought up to date."""
    due = []
    for name, service in services.items():
        is_starting = age_seconds.get(name, 0) < supervise.START_SECONDS
        if answers[name] or is_starting or not all(answers[need] for need in service.needs):
            silence_began.pop(name, None)
        elif now - silence_began.setdefault(name, now) >= service.patience_seconds:
            due.append(name)
            del silence_began[name]
    return due


def main() -> None:
    """Look for ever."""
    settings = read_settings()
    began: dict[str, float] = {}
    while True:
        time.sleep(EVERY_SECONDS)
        ages = supervise.ages(settings)
        answers = {name: name in ages and _answers(service, settings) for name, service in services(settings).items()}
        for name in silent(services(settings), ages, answers, began, time.monotonic()):
            print(f"{name} runs but does not answer: starting it again", flush=True)
            supervise.restart(settings, name)


def _answers(service: Service, settings: Settings) -> bool:
    """Whatever goes wrong in asking, this watch must go on: it counts as no answer."""
    try:
        return service.ready(settings) is None
    except Exception as error:  # noqa: BLE001 - it is told, and counts
        print(f"{service.name}: {type(error).__name__}: {error}", flush=True)
        return False


if __name__ == "__main__":
    sys.exit(run(main))
