"""Where the simulated departments are reached, with credentials of their own: `./kho sources` prints it for a shell."""

from __future__ import annotations

from urllib.parse import quote

from infra.settings import Settings

SFTP_USERS = ("education", "cadastre")
DATABASE, OWNER, READER = "so_tai_chinh", "so_tai_chinh", "kho_mo"  # of the Department of Finance
HOST = "127.0.0.1"


def addresses(settings: Settings) -> dict[str, str]:
    """By the name of an Airflow connection (`education_sftp`), the address that a step is given."""
    host_key = quote(settings.secret_file("departments-host-key.pub").read_text(encoding="ascii").strip(), safe="")
    certificate = quote(str(settings.secret_file("departments-tls.crt")), safe="")
    return {
        "investment_sql": _database(settings, READER),
        **{
            f"{user}_sftp": f"sftp://{user}:{password_of(settings, user)}@{HOST}:{settings.ports['sftp']}/"
            f"?host_key={host_key}"
            for user in SFTP_USERS
        },
        "health_http": f"https://:{settings.secret('department-health')}@{HOST}:{settings.ports['api']}/"
        f"?ca={certificate}",
        "health_folder": (settings.departments / "health").as_uri(),
    }


def variables(settings: Settings) -> dict[str, str]:
    """The same as variables of the environment."""
    return {f"KHO_SOURCE_{name.upper()}": address for name, address in addresses(settings).items()}


def password_of(settings: Settings, user: str) -> str:
    """Of a user of the SFTP server."""
    return settings.secret(f"department-{user}")


def database_of_investment(settings: Settings) -> str:
    """The Department of Finance's database, as its owner reaches it."""
    return _database(settings, OWNER)


def _database(settings: Settings, role: str) -> str:
    return f"postgresql://{role}:{settings.secret(f'postgres-{role}')}@{HOST}:{settings.ports['postgres']}/{DATABASE}"
