"""The simulated departments' servers: files over SFTP (education, cadastre) and the Department of Health's HTTPS API.

The Department of Finance's database is one of the PostgreSQL server's.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl

import asyncssh
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.departments.addresses import HOST, SFTP_USERS, password_of
from infra.services import Command, Service
from infra.settings import ROOT, Settings

QUESTION_SECONDS = 5
CERTIFICATE_DAYS = 3650


def _prepare_files(settings: Settings) -> None:
    """The server's host key, once."""
    if not settings.secret_file("departments-host-key.pub").exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        settings.keep_secret("departments-host-key", key.export_private_key().decode())
        settings.keep_secret("departments-host-key.pub", key.export_public_key().decode())


def _run_files(settings: Settings) -> Command:
    users = [f"--user={user}={settings.departments / user}" for user in SFTP_USERS]
    argv = [str(settings.python("lake")), "-m", "infra.departments.sftp_server", f"--port={settings.ports['sftp']}"]
    argv += [f"--host-key={settings.secret_file('departments-host-key')}", *users]
    passwords = {f"KHO_DEPARTMENT_PASSWORD_{user.upper()}": password_of(settings, user) for user in SFTP_USERS}
    return Command(argv, settings.departments, {"PYTHONPATH": str(ROOT), **passwords})


def _files_are_ready(settings: Settings) -> str | None:
    async def look() -> None:
        known = asyncssh.import_known_hosts(f"* {settings.secret_file('departments-host-key.pub').read_text()}")
        user = SFTP_USERS[0]
        async with (
            asyncssh.connect(
                HOST,
                settings.ports["sftp"],
                username=user,
                password=password_of(settings, user),
                known_hosts=known,
                config=None,
                client_keys=None,
                agent_path=None,
                login_timeout=QUESTION_SECONDS,
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            await sftp.listdir(".")

    try:
        asyncio.run(asyncio.wait_for(look(), QUESTION_SECONDS))
    except (OSError, asyncssh.Error, TimeoutError) as error:
        return f"expected the department's folder over SFTP, found: {type(error).__name__} {error}"
    return None


def _prepare_api(settings: Settings) -> None:
    """Certificate and key, once."""
    if settings.secret_file("departments-tls.crt").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Sở Y tế (mô phỏng)")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    settings.keep_secret("departments-tls.key", private.decode())
    settings.keep_secret("departments-tls.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())


def _run_api(settings: Settings) -> Command:
    argv = [str(settings.python("lake")), "-m", "infra.departments.health.api", f"--port={settings.ports['api']}"]
    argv += [f"--folder={settings.departments / 'health-api'}"]
    argv += [f"--certificate={settings.secret_file('departments-tls.crt')}"]
    argv += [f"--key={settings.secret_file('departments-tls.key')}"]
    token = {"KHO_DEPARTMENT_TOKEN": settings.secret("department-health")}
    return Command(argv, settings.departments, {"PYTHONPATH": str(ROOT), **token})


def _api_is_ready(settings: Settings) -> str | None:
    try:
        trusted = ssl.create_default_context(cafile=str(settings.secret_file("departments-tls.crt")))
        url = f"https://{HOST}:{settings.ports['api']}/v1/ping"
        httpx.get(url, verify=trusted, timeout=QUESTION_SECONDS).raise_for_status()
    except (httpx.HTTPError, OSError) as error:
        return f"expected an answer from the department's API, found: {type(error).__name__} {error}"
    return None


FILES = Service("department-files", _run_files, _files_are_ready, ports=("sftp",), prepare=_prepare_files)
API = Service("department-api", _run_api, _api_is_ready, ports=("api",), prepare=_prepare_api)
