"""Addresses of departments: URIs that carry credentials, which never stand in a message.

What has a meaning of its own in a URI is percent-encoded, in the password too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from quality.refusal import Refusal


@dataclass(frozen=True)
class Address:
    """The parts of a URI, decoded. Its representation, too, shows no password."""

    scheme: str
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    path: str
    options: Mapping[str, str]

    @property
    def where(self) -> str:
        """For messages: without password and options."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{self.user}{'@' if self.user else ''}{host}:{self.port}{self.path}"


def read_address(text: str, scheme: str, port: int, form: str, options: tuple[str, ...]) -> Address:
    """The address in `text`, which must look like `form`. `port` is the one where it names none."""
    try:
        parts = urlsplit(text)
        options_found = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        found = Address(
            parts.scheme,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            parts.hostname or "",
            parts.port or port,
            unquote(parts.path),
            options_found,
        )
    except ValueError:  # its text may quote a password, so it goes no further
        raise address_mistake(form, "one that cannot be taken apart") from None
    if found.scheme != scheme:
        raise address_mistake(form, f"one that begins with {found.scheme}://" if "://" in text else "one without ://")
    if not found.host or _is_torn(text, parts):
        raise address_mistake(form, "one that cannot be taken apart")
    if unknown := sorted(found.options.keys() - set(options)):
        raise address_mistake(form, f"options that nobody knows: {', '.join(unknown)}")
    return found


def _is_torn(text: str, parts: SplitResult) -> bool:
    """A password with a bare `/`, `?` or `#` ends the host too early; then its rest would pass for a path."""
    return bool(parts.fragment) or ("@" in text and "@" not in parts.netloc)


def address_mistake(form: str, found: str) -> Refusal:
    """What to say of an address without quoting it."""
    return Refusal(
        "the address of a department is not one",
        where="its KHO_SOURCE_… variable, or its connection in Airflow",
        expected=form,
        found=found,
        remedy="correct it; in a password, write what is neither letter nor digit as %XX",
    )
