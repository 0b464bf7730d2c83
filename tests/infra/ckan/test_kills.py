"""Whoever is killed while something is published: readers see a version or the next, and the next runs mend the rest.

`tests/bench/kills.py` does the same at many more points.
"""

import random
from pathlib import Path

from tests.kills import KINDS, NAME, RUNS, VICTIMS, Trial
from tests.portal import publishing
from tests.readers import Readers
from tests.stack import Stack

POINTS, SEED = 24, 1


def test_no_kill_shows_a_reader_half_a_version_and_two_runs_mend_what_it_left(ckan: Stack, tmp_path: Path) -> None:
    readers = Readers(ckan.settings.portal_url, NAME)
    trial = Trial(ckan, tmp_path, random.Random(SEED), readers)  # noqa: S311 - drawn anew, they must be the same
    with publishing(ckan, NAME), readers.reading():
        assert trial.undisturbed() == []
        told = [trial.kill(point) for point in trial.points(POINTS)]
    assert {(one.point.victim, one.point.kind) for one in told} == {(who, kind) for who in VICTIMS for kind in KINDS}
    assert min(one.answers for one in told) > 0
    wrong = [str(one) for one in told if one.faults or one.runs > RUNS]
    assert not wrong, "\n".join(wrong)
