"""The one door to CKAN: every answer that is no success becomes a refusal that says what to do."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import requests
from ckanapi import RemoteCKAN
from ckanapi.common import reverse_apicontroller_action
from ckanapi.errors import CKANAPIError, NotAuthorized, NotFound, ServerIncompatibleError, ValidationError
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from quality.refusal import Refusal

_AGENT = "kho-mo portal_sync"
_TIMEOUT_S = 300
_SERVER_ERROR, _TOO_MANY = 500, 429
_RETRIES, _LONGEST_S = 3, 30  # of a portal that asks for patience
# Servers hang up on connections that rest, gunicorn by default after 2 s, Apache and our portal after 5 s. What is sent
# in that instant is lost, and nobody knows whether it was done: 3 of 2,400 times, with rests of 5 to 6 s on a full
# machine.
_REST_S = 1.0


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


class _Patience(Retry):
    """Who is asked to come back later (Retry-After) does, a few times, and not in an hour."""

    def get_retry_after(self, response: Any) -> float | None:
        """Seconds."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, _LONGEST_S)


class _Fresh(HTTPConnection):
    """A connection that counts as lost once it has rested: whoever asks next begins another."""

    _answered_at = 0.0

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # urllib3's own differs from its base's
        """What was asked for."""
        answer = super().getresponse()
        self._answered_at = time.monotonic()
        return answer

    @property
    def is_connected(self) -> bool:
        """Whether another question may be sent."""
        return time.monotonic() - self._answered_at < _REST_S and super().is_connected


class _FreshTLS(_Fresh, HTTPSConnection):
    """The same for https."""


class _FreshPool(HTTPConnectionPool):
    ConnectionCls = _Fresh


class _FreshTLSPool(HTTPSConnectionPool):
    ConnectionCls = _FreshTLS


class _Adapter(HTTPAdapter):
    """Of a session whose connections are fresh and whose questions are patient."""

    def __init__(self) -> None:
        """Nobody is asked yet."""
        patience = _Patience(_RETRIES, connect=0, read=False, allowed_methods=None, raise_on_status=False)
        super().__init__(max_retries=patience)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """With our kind of connections."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _FreshPool, "https": _FreshTLSPool}


class Client:
    """A portal, addressed as the owner of a token."""

    def __init__(self, url: str, token: str) -> None:
        """Nothing is sent yet."""
        self.url = url
        self._token = token
        self._has_extension: bool | None = None
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter())
        self._ckan = RemoteCKAN(url, apikey=token, user_agent=_AGENT, session=self._session)

    def call(self, action: str, data: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> Any:
        """What an action answers. Raises one of this module's refusals."""
        with self._refusals(action, data or {}):
            return self._ckan.call_action(action, data, files=files, requests_kwargs={"timeout": _TIMEOUT_S})

    def has_extension(self) -> bool:
        """Whether the portal has our extension, which loads tables whole and says what each holds."""
        if self._has_extension is None:
            try:
                self.call("help_show", {"name": "kho_table_versions"})
                self._has_extension = True
            except Missing:
                self._has_extension = False
        return self._has_extension

    def put(self, path: str, stream: IO[bytes] | Iterable[bytes], **parameters: str) -> Any:
        """What the extension answers to bytes that are streamed, of any size. Raises as `call` does.

        A portal that asks for patience is sent them again: a file from where it stood, what is iterated anew.
        """
        with self._refusals(path, {}):
            answer = self._session.put(
                f"{self.url}/{path}",
                params=parameters,
                data=stream,
                headers={"Authorization": self._token, "User-Agent": _AGENT},
                timeout=_TIMEOUT_S,
            )
            return reverse_apicontroller_action(answer.url, answer.status_code, answer.text)

    def get(self, path: str) -> Any:
        """The JSON that stands at an address of the portal."""
        with self._refusals(path, {}):
            answer = self._session.get(f"{self.url}/{path}", headers={"User-Agent": _AGENT}, timeout=_TIMEOUT_S)
            try:
                return answer.json()
            except ValueError as error:
                raise CKANAPIError(repr([answer.url, answer.status_code, answer.text])) from error

    def sha256(self, path: str) -> str:
        """Of what the portal gives at an address; what it says instead, if it gives nothing."""
        asked = {"Authorization": self._token, "User-Agent": _AGENT, "Accept-Encoding": "identity"}
        summed = hashlib.sha256()
        with (
            self._refusals(path, {}),
            self._session.get(f"{self.url}/{path}", headers=asked, stream=True, timeout=_TIMEOUT_S) as answer,
        ):
            if answer.status_code != requests.codes.ok:
                return f"{answer.status_code} {answer.reason}"
            for part in answer.iter_content(1 << 20):
                summed.update(part)
        return summed.hexdigest()

    @contextmanager
    def _refusals(self, what: str, data: dict[str, Any]) -> Iterator[None]:
        """Every way in which an answer is no success, as one of this module's refusals."""
        where = f"{self.url} {what}"
        try:
            yield
        except requests.RequestException as error:
            raise PortalUnreachable(
                "the portal does not answer",
                where=where,
                found=f"{type(error).__name__}: {error}",
                remedy="have it started (ours: `kho up`, `kho status`) and run this again: it goes on where it stopped",
            ) from error
        except NotAuthorized as error:
            raise TokenRefused(
                "the portal does not let us do that",
                where=where,
                expected="a valid token of the publisher, in KHO_PORTAL_TOKEN",
                found=_said(error.extra_msg),
                remedy="a new token, if the old one has expired or was revoked (ours: `kho up` makes one)",
            ) from error
        except NotFound as error:
            raise Missing("the portal has no such thing", where=where, found=str(data.get("id", ""))) from error
        except ValidationError as error:
            if "failed" in error.error_dict:  # our extension says so of a database or a disk that could not
                raise _failed(where, _said(error.error_dict)) from error
            raise PortalRefused(
                "the portal refused what we sent",
                where=f"{where} {data.get('name') or data.get('id') or ''}".strip(),
                found=_said(error.error_dict),
                remedy="if somebody else changed the portal meanwhile, run the same command again; "
                "else correct the contract that this comes from",
            ) from error
        except (CKANAPIError, ServerIncompatibleError) as error:
            raise _misbehaved(where, error) from error


def _misbehaved(where: str, error: Exception) -> Refusal:
    """CKAN that failed, told from something that is no CKAN. ckanapi's text is a list: address, status, answer."""
    found = re.match(r"\['[^']*', (\d+), (.*)\]$", str(error), re.DOTALL)
    if found is None:
        return _failed(where, _short(f"{type(error).__name__}: {error}"))
    if int(found[1]) >= _SERVER_ERROR or int(found[1]) == _TOO_MANY:
        return _failed(where, f"{found[1]} {_short(found[2])}")
    return NotAPortal(
        "the portal's answer is not what CKAN says",
        where=where,
        expected="JSON with `success`",
        found=f"{found[1]} {_short(found[2])}",
        remedy="see what is there (ours: `kho logs portal`); where another program has our port, set KHO_PORT_PORTAL",
    )


def _failed(where: str, found: str) -> PortalFailed:
    return PortalFailed(
        "the portal failed at what we asked",
        where=where,
        found=found,
        remedy="its log says why (ours: `kho logs portal`), `kho status` whether one of our services is down; "
        "then run this again",
    )


def _short(text: str) -> str:
    """A page without its markup, at most a few lines of it."""
    return re.sub(r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]*>|\\n", " ", text, flags=re.DOTALL)).strip(
        "'\" "
    )[:300]


def _said(answer: object) -> str:
    """CKAN's error without its type."""
    if isinstance(answer, dict):
        return "; ".join(f"{key}: {value}" for key, value in sorted(answer.items()) if key != "__type")
    return str(answer)
