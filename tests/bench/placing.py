"""What finding parcels' places costs: `.kho/tools/lake/bin/python -m tests.bench.placing`, on one core, for 8 s.

The city has 4.28 million parcels, and two readers share them: all of them are to be placed within 3 minutes.
"""

from __future__ import annotations

import time

import numpy as np
import shapely

from spark_jobs.layouts.map_sheet import FEATURES
from spark_jobs.layouts.placing import Shapes, placed, wards_in_force

SECONDS = 8.0
CITY, READERS, WITHIN = 4_282_882, 2, 180
MIDDLES = ((603_000, 1_191_000), (590_000, 1_210_000), (615_000, 1_180_000), (600_000, 1_225_000))  # in EPSG:9210
HALF = 1_500  # metres, of a sheet of 1:2000


def sheet(east: float, north: float, many: int, seed: int) -> Shapes:
    """Quadrangles of 50 to 400 square metres, strewn over a map sheet."""
    random = np.random.default_rng(seed)
    corner = np.column_stack(
        [random.uniform(east - HALF, east + HALF, many), random.uniform(-HALF, HALF, many) + north]
    )
    side = random.uniform(7, 20, (many, 1))
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners = corner[:, None, :] + side[:, None] * (square + random.uniform(-0.2, 0.2, (many, 4, 2)))
    return np.asarray(shapely.polygons(shapely.linearrings(corners)))


def parcels_a_second(seconds: float = SECONDS, many: int = FEATURES) -> float:
    """Of as many batches as the time allows, on one core; the wards' outlines are read before."""
    wards_in_force()
    sheets = [sheet(*middle, many, seed) for seed, middle in enumerate(MIDDLES)]
    sound = np.ones(many, dtype=bool)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        placed(sheets[done % len(sheets)], sound, 9210)
        done += 1
    return done * many / (time.monotonic() - began)


def main() -> None:
    """One line."""
    rate = parcels_a_second()
    city = CITY / rate / READERS
    print(f"{rate:,.0f} parcels a second and core; the city by {READERS} readers {city:,.0f} s (at most {WITHIN})")


if __name__ == "__main__":
    main()
