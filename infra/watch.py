"""Restart services that live but do not answer: `python -m infra.watch`, kept alive by the supervisor itself.

The supervisor sees only death. Airflow's scheduler, for one, when it loses its database, may wait for ever for workers
that have ended. So every service is asked what `./kho up` asks it, and one that was silent for its patience, while all
that it needs did answer, is started again.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra import supervise
from infra.services import Service
from infra.services.registry import services
from infra.settings import Settings, read_settings
from quality.refusal import run

EVERY_SECONDS = 10


@dataclass
class Memory:
    """What is kept from one look to the next, by service: since when it is silent, and when it last answered."""

    silence_began: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)


def silent(
    services: Mapping[str, Service],
    age_seconds: Mapping[str, float],
    answers: Mapping[str, bool],
    memory: Memory,
    now: float,
) -> list[str]:
    """Names of services to start again. One that has not answered since it started may still be starting."""
    due = []
    for name, service in services.items():
        if answers[name]:
            memory.answered[name] = now
        age = age_seconds.get(name, 0)
        is_starting = age < supervise.START_SECONDS and memory.answered.get(name, -math.inf) < now - age
        if answers[name] or is_starting or not all(answers[need] for need in service.needs):
            memory.silence_began.pop(name, None)
        elif now - memory.silence_began.setdefault(name, now) >= service.patience_seconds:
            due.append(name)
            del memory.silence_began[name]
    return due


def main() -> None:
    """Look for ever."""
    settings = read_settings()
    memory = Memory()
    while True:
        time.sleep(EVERY_SECONDS)
        ages = supervise.ages(settings)
        answers = {name: name in ages and _answers(service, settings) for name, service in services(settings).items()}
        for name in silent(services(settings), ages, answers, memory, time.monotonic()):
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
