"""How we log in to an SFTP server: only to the one whose host key we know, and only with what its address holds.

Nothing else of this user plays a part: neither `~/.ssh/config`, which may switch the check of host keys off, nor keys
and agents, which the department's server has no business to see.
"""

from __future__ import annotations

import asyncssh

from quality.refusal import Refusal
from spark_jobs.connectors.addresses import Address
from spark_jobs.connectors.refusals import STAYS, NotTrusted, login_refused
from spark_jobs.connectors.retries import Lost

CONNECT_S = 15
LOGIN_S = 30
KEEP_ALIVE_S = 15


class _Caller(asyncssh.SSHClient):
    """Notes the host key that it is shown when nobody trusts it."""

    shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - the library's
        self.shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        return False


async def log_in(address: Address) -> asyncssh.SSHClientConnection:
    """A connection. Raises Lost where another try may help."""
    caller = _Caller()
    trusted = _host_key(address)
    try:
        return await asyncssh.connect(
            address.host,
            address.port,
            client_factory=lambda: caller,
            username=address.user,
            password=None if "key" in address.options else address.password,
            client_keys=_private_keys(address),
            preferred_auth="publickey" if "key" in address.options else "password,keyboard-interactive",
            known_hosts=([trusted], [], []) if trusted else b"",  # b"": those of ~/.ssh/known_hosts
            x509_trusted_certs=None,
            config=None,
            agent_path=None,
            gss_host=None,
            connect_timeout=CONNECT_S,
            login_timeout=LOGIN_S,
            keepalive_interval=KEEP_ALIVE_S,
        )
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
        raise _not_trusted(address, trusted, caller.shown or error.reason) from error
    except asyncssh.PermissionDenied as error:
        credential = "key" if "key" in address.options else "password"
        raise login_refused(address.where, error.reason, credential) from error
    except (OSError, asyncssh.Error) as error:
        raise Lost("the department's server cannot be reached", str(error) or type(error).__name__) from error


def _not_trusted(address: Address, trusted: asyncssh.SSHKey | None, shown: str) -> NotTrusted:
    expected = f"{trusted.get_algorithm()} {trusted.get_fingerprint()}" if trusted else "one of ~/.ssh/known_hosts"
    return NotTrusted(
        "the server shows a host key that is not the department's; no password was sent",
        where=address.where,
        expected=expected,
        found=shown,
        remedy=f"ask the department whether it changed its key; only then correct host_key in the address; {STAYS}",
    )


def _host_key(address: Address) -> asyncssh.SSHKey | None:
    text = address.options.get("host_key")
    if text is None:
        return None
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError as error:
        raise Refusal(
            "host_key in the address is no public key",
            where=address.where,
            expected="the server's public key as in known_hosts, `ssh-ed25519 AAAA…`, percent-encoded",
            found=str(error),
            remedy="take it from the department, or compare what ssh-keyscan shows with what the department tells",
        ) from error


def _private_keys(address: Address) -> list[asyncssh.SSHKey] | None:
    path = address.options.get("key")
    if path is None:
        return None
    try:
        return [asyncssh.read_private_key(path, address.password or None)]
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise Refusal(
            "the private key of the address cannot be used",
            where=path,
            expected="an OpenSSH private key; its passphrase, if it has one, is the password of the address",
            found=str(error),
            remedy="correct key in the address, or put the key there",
        ) from error
