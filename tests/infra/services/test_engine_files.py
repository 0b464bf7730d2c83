"""What other accounts of the machine may read of an installation, by the modes of its folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from infra.folders import close_to_others
from infra.settings import PORTS, Settings
from spark_jobs.merge import Merge, merge
from spark_jobs.session import connect, settle
from tests.stack import Stack

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def generous() -> Iterator[None]:
    """A umask that closes nothing to readers, and afterwards the one before."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("generous")
def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home", tmp_path / "home" / "tools", PORTS)
    for name in ("logs", "postgres", "tools", "lake/extracts", "lake/warehouse/open.db"):
        (settings.home / name).mkdir(parents=True)
    close_to_others(settings)
    (settings.home / "new").mkdir()
    modes = {str(path.relative_to(settings.home)): mode(path) for path in settings.home.rglob("*")}
    assert mode(settings.home) == 0o711
    assert modes == {
        **dict.fromkeys(("cache", "lake", "lake/warehouse"), 0o711),
        **dict.fromkeys(("logs", "lake/extracts", "new"), 0o700),
        **dict.fromkeys(("postgres", "tools", "lake/warehouse/open.db"), 0o755),
    }


def test_of_a_running_installation_only_the_way_to_the_tables_is_open(engine: Stack) -> None:
    home = engine.settings.home
    open_ones = {home / "cache", home / "lake", home / "lake" / "warehouse"}
    folders = [path for place in (home, home / "lake") for path in place.iterdir()]
    assert {"engine", "logs", "run", "secrets"} <= {path.name for path in folders}
    assert {path for path in folders if mode(path) & 0o077} <= open_ones
    assert {mode(path) for path in (home, *open_ones)} == {0o711}


def test_other_accounts_read_tables_of_the_city_without_personal_columns_and_no_others(engine: Stack) -> None:
    warehouse, names = engine.env["KHO_WAREHOUSE"], [f"test_{uuid4().hex[:8]}" for _ in range(2)]
    source = f"{names[0]}.people"
    with connect(engine.env["KHO_ENGINE"]) as spark:
        settle(spark, warehouse, source)
        spark.sql(f"create table {source} using delta as select 1 as id")
        for name in names:
            job = Merge(source, 0, f"city.{name}", {"id": "int"}, ["id"], {}, personal=name == names[1])
            assert merge(engine.environment, job) == "first version"
        spark.sql(f"insert into {source} select 2")
        for name in names:
            job = Merge(source, 1, f"city.{name}", {"id": "int"}, ["id"], {}, personal=name == names[1])
            assert merge(engine.environment, job) == "inserted 1, updated 0, deleted 0"
        assert [spark.table(f"city.{name}").count() for name in names] == [2, 2]
        city = Path(warehouse) / "city.db"
        assert [mode(folder) for folder in (city, city / names[0], city / names[1])] == [0o755, 0o755, 0o700]
        files = [path for path in (city / names[0]).rglob("*") if path.is_file()]
        assert len(files) >= 4
        assert all(mode(path) & stat.S_IROTH for path in files)
        assert mode(Path(warehouse) / f"{names[0]}.db") == 0o700
        for name in names:
            spark.sql(f"drop table city.{name}")
