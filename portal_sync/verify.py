"""A downloaded file against what was published: `./kho verify FILE [--portal ADDRESS]`; needs no token."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from portal_sync.client import Client
from quality.refusal import Refusal


class NotPublished(Refusal):
    """The portal never gave out a file of these bytes."""


class ReceiptDiffers(Refusal):
    """The portal knows the file, and its receipt speaks of another."""


def verify(client: Client, path: Path) -> str:
    """What the file is, in sentences. Raises NotPublished or ReceiptDiffers."""
    sha256 = _sha256(path)
    found = client.call("kho_file_find", {"sha256": sha256})
    if not found:
        raise NotPublished(
            "this is no file that the portal published",
            where=str(path),
            expected="the bytes as they were downloaded",
            found=f"sha256 {sha256}, {path.stat().st_size:,} bytes: changed, cut, or saved anew by another program",
            remedy=f"download it again from {client.url}",
        )
    place = found[-1]
    receipt = client.get(place["receipt"].removeprefix(f"{client.url}/"))
    _compare(place, receipt, sha256, path)
    number, check = place["version"]["version"], receipt["check"]
    lines = [
        f"{path}: {place['name']} of {place['title']} ({place['dataset']}), version {number}",
        f"  {receipt['rows']:,} rows, exported {receipt['exported_at']}, made of {len(receipt['extracts'])} extracts",
        f"  {check['rules']} rules checked {check['checked_at']}: passed, with {len(check['warnings'])} warnings",
        f"  receipt: {place['receipt']}",
        "  it is the latest version" if place["is_latest"] else f"  there is a newer version: {place['latest']}",
    ]
    return "\n".join(lines)


def _compare(place: dict[str, Any], receipt: dict[str, Any], sha256: str, path: Path) -> None:
    """A receipt cannot speak of itself: of it, that the portal gave it out is all there is to know."""
    told = {file["name"]: file["sha256"] for file in receipt["files"]}
    if told.get(place["name"], sha256) != sha256:
        raise ReceiptDiffers(
            "the receipt speaks of another file",
            where=place["receipt"],
            expected=f"sha256 {told[place['name']]}",
            found=f"sha256 {sha256} of {path}",
            remedy="tell the portal's owner: one of the two was changed after it was published",
        )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refusal("the file cannot be read", where=str(path), found=error.strerror or str(error)) from error
