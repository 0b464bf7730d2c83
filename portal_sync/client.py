"""The one door to CKAN: every answer that is no success becomes a refusal that says what to do."""

from __future__ import annotations

import re
from typing import Any

import requests
from ckanapi import RemoteCKAN
from ckanapi.errors import CKANAPIError, NotAuthorized, NotFound, ServerIncompatibleError, ValidationError

from quality.refusal import Refusal

_TIMEOUT_S = 300
_SERVER_ERROR = 500


class PortalUnreachable(Refusal):
    """Nobody answers at the portal's address, or it hung up."""


class NotAPortal(Refusal):
    """What answers there does not speak CKAN's language."""


class PortalFailed(Refusal):
    """CKAN answered, but could not do its work."""


class TokenRefused(Refusal):
    """The portal does not let us do that."""


class PortalRefused(Refusal):
    """The portal understood, and said no."""


class Missing(Refusal):
    """The portal has no such thing."""


class Client:
    """A portal, addressed as the owner of a token."""

    def __init__(self, url: str, token: str) -> None:
        """Nothing is sent yet."""
        self.url = url
        self._ckan = RemoteCKAN(url, apikey=token, user_agent="kho-mo portal_sync")

    def call(self, action: str, data: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> Any:
        """What an action answers. Raises one of this module's refusals."""
        where = f"{self.url} {action}"
        try:
            return self._ckan.call_action(action, data, files=files, requests_kwargs={"timeout": _TIMEOUT_S})
        except requests.RequestException as error:
            raise PortalUnreachable(
                "the portal does not answer",
                where=where,
                found=f"{type(error).__name__}: {error}",
                remedy="start it (`kho up`, `kho status`), then run this again: it goes on where it stopped",
            ) from error
        except NotAuthorized as error:
            raise TokenRefused(
                "the portal does not let us do that",
                where=where,
                expected="a valid token of the publisher, in KHO_PORTAL_TOKEN",
                found=_said(error.extra_msg),
                remedy="`kho up` makes a new token if the old one has expired or was revoked",
            ) from error
        except NotFound as error:
            raise Missing("the portal has no such thing", where=where, found=str((data or {}).get("id", ""))) from error
        except ValidationError as error:
            raise PortalRefused(
                "the portal refused what we sent",
                where=f"{where} {(data or {}).get('name') or (data or {}).get('id') or ''}".strip(),
                found=_said(error.error_dict),
                remedy="if somebody else changed the portal meanwhile, run the same command again; "
                "else correct the contract that this comes from",
            ) from error
        except (CKANAPIError, ServerIncompatibleError) as error:
            raise _misbehaved(where, error) from error


def _misbehaved(where: str, error: Exception) -> Refusal:
    """CKAN that failed, told from something that is no CKAN. ckanapi's text is a list: address, status, answer."""
    found = re.match(r"\['[^']*', (\d+), (.*)\]$", str(error), re.DOTALL)
    if found is None or int(found[1]) >= _SERVER_ERROR:
        return PortalFailed(
            "the portal failed at what we asked",
            where=where,
            found=_short(found[2] if found else f"{type(error).__name__}: {error}"),
            remedy="`kho status` shows whether one of its services is down, `kho logs portal` why; then run this again",
        )
    return NotAPortal(
        "the portal's answer is not what CKAN says",
        where=where,
        expected="JSON with `success`",
        found=_short(found[2]),
        remedy="see `kho logs portal`; if another program has the portal's port, set KHO_PORT_PORTAL",
    )


def _short(text: str) -> str:
    """A page without its markup, at most a few lines of it."""
    return re.sub(r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]*>|\\n", " ", text, flags=re.DOTALL)).strip()[:300]


def _said(answer: object) -> str:
    """CKAN's error without its type."""
    if isinstance(answer, dict):
        return "; ".join(f"{key}: {value}" for key, value in sorted(answer.items()) if key != "__type")
    return str(answer)
