"""What can stand between us and a department's data, whichever way it delivers."""

from __future__ import annotations

from quality.refusal import Refusal

STAYS = "what was fetched before stays"


class Unreachable(Refusal):
    """The department did not answer, however often it was asked."""


class NotTrusted(Refusal):
    """Who answered could not prove to be the department. Nothing was sent there."""


class LoginRefused(Refusal):
    """The department does not let us in."""


class NotAllowed(Refusal):
    """The department let us in, but not to this."""


class NotThere(Refusal):
    """The department has no such folder, resource or column."""


def login_refused(where: str, found: str, credential: str = "password") -> LoginRefused:
    """With the words of the server; `credential` is what to renew."""
    return LoginRefused(
        f"the department's server refuses our login: the {credential} is wrong or has expired",
        where=where,
        expected="to be let in",
        found=found,
        remedy=f"ask the department for a valid {credential} and put it into the address; {STAYS}",
    )


def no_inbox(where: str) -> Refusal:
    """Of those who offer no place to lay a file down."""
    return Refusal(
        "this department takes no files back",
        where=where,
        expected="a folder or an SFTP server",
        found="a place to read from only",
        remedy="send the file to the department another way",
    )
