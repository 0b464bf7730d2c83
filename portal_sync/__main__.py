"""`python -m portal_sync plan [--json]`, `apply [--removals N] [--plan FILE]` and `verify FILE [--portal ADDRESS]`.

`plan` and `apply` take `--overwrite DATASET` too.

From the environment: KHO_LAKE (exports), KHO_PORTAL_URL and KHO_PORTAL_TOKEN.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from portal_sync.actual import read_portal
from portal_sync.apply import apply
from portal_sync.client import Client
from portal_sync.desired import claimed, desired
from portal_sync.edits import edits, left_alone
from portal_sync.exports import newest_exports
from portal_sync.lanes import lanes
from portal_sync.plan import as_json, as_text, check_removals, check_same, plan, told
from portal_sync.verify import verify
from quality.contract import load_all, load_catalogue
from quality.digest import ZONE
from quality.refusal import Refusal, run


def main() -> None:
    """Plan, and if asked carry it out."""
    arguments = _arguments()
    if arguments.verb == "verify":
        print(verify(Client((arguments.portal or _setting("KHO_PORTAL_URL")).rstrip("/"), ""), arguments.file))
        return
    lake, url, token = (_setting(name) for name in ("KHO_LAKE", "KHO_PORTAL_URL", "KHO_PORTAL_TOKEN"))
    with one_at_a_time(Path(lake)):
        client = Client(url.rstrip("/"), token)
        with lanes([client], read_portal, 1) as reading:  # while it answers, what it should hold is worked out
            contracts, catalogue = load_all(), load_catalogue()
            ours = claimed(contracts, catalogue)
            today = datetime.now(ZONE).date()
            wanted = desired(contracts, catalogue, newest_exports(Path(lake) / "exports"), today)
            ((_, answer),) = reading
            found = answer.result()
        edited = [edit for edit in edits(wanted, found) if edit.dataset not in arguments.overwrite]
        wanted = left_alone(wanted, edited)
        is_whole = client.has_extension()
        changes = plan(wanted, found, ours, is_whole=is_whole)
        unfinished = sorted(ours - {name for _, name in wanted})
        if arguments.verb == "plan":
            as_lines = as_text(changes, unfinished, edited, is_whole=is_whole)
            print(as_json(changes, edited) if arguments.json else as_lines)
            return
        if arguments.plan:
            check_same(changes, edited, _seen(arguments.plan))
        check_removals(changes, found, arguments.removals)
        for edit in edited:
            print(told(edit))
        apply(client, changes, wanted, found, say=print)
        print(f"apply: {len(changes)} changes; {sum(1 for kind, _ in wanted if kind == 'dataset')} datasets published")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kho", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    planned = verbs.add_parser("plan", help="print what must change on the portal")
    planned.add_argument("--json", action="store_true", help="as JSON")
    applied = verbs.add_parser("apply", help="change it")
    applied.add_argument("--removals", type=int, metavar="N", help="remove so many datasets, as the plan says")
    applied.add_argument("--plan", type=Path, metavar="FILE", help="only if it is still what `plan --json` wrote there")
    for verb in (planned, applied):
        verb.add_argument(
            "--overwrite",
            action="append",
            default=[],
            metavar="DATASET",
            help="lose what was edited on the portal there",
        )
    verified = verbs.add_parser("verify", help="whether a downloaded file is what the portal published")
    verified.add_argument("file", type=Path)
    verified.add_argument("--portal", metavar="ADDRESS", help="another than this installation's")
    return parser.parse_args()


def _seen(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Refusal("the plan cannot be read", where=str(path), found=str(error)) from error


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Refusal(
            f"{name} is not set",
            remedy="start this by `kho plan` or `kho apply`, after `kho up`; for another portal than ours, "
            "set both KHO_PORTAL_URL and KHO_PORTAL_TOKEN",
        )
    return value


@contextmanager
def one_at_a_time(lake: Path) -> Iterator[None]:
    """Two at once would both make what is missing: the second waits, then finds it made."""
    (lake / "locks").mkdir(parents=True, exist_ok=True)
    with (lake / "locks" / "portal").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(run(main))
