"""Make CKAN's tables, users and the publisher's token: `python -m ckanext_kho.prepare < what.json`, safe to run again.

One process for all of it, as importing CKAN costs seconds. Input and answer are JSON on standard input and output,
so that no secret stands on a command line. The answer's `token` is null where the old one still works.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

from ckan import model
from ckan.cli import load_config
from ckan.cli.db import _get_pending_plugins, _repo_for_plugin, _run_migrations
from ckan.config.middleware import make_app
from ckan.lib import api_token, search
from ckan.logic import get_action
from sqlalchemy import inspect

TOKEN_NAME = "portal_sync"  # noqa: S105 - the token's name, not the token


def make_tables() -> None:
    """An empty database gets today's tables at once, with the core's mark last; one that has it is migrated."""
    if inspect(model.meta.engine).has_table("alembic_version"):
        _run_migrations("")
        for plugin in sorted(_get_pending_plugins()):
            _run_migrations(plugin)
        return
    model.repo.create_db()
    for plugin in sorted(_get_pending_plugins()):
        with _repo_for_plugin(plugin) as repository:
            repository.stamp_alembic_head()
    model.repo.stamp_alembic_head()


def ensure_user(name: str, password: str, title: str, *, sysadmin: bool) -> None:
    """A user with that password. Nobody is made or unmade a sysadmin later on."""
    user = model.User.get(name)
    if user is None:
        user = model.User(name=name, fullname=title, email=f"{name}@localhost", sysadmin=sysadmin)
    user.password = password
    user.state = model.State.ACTIVE
    model.Session.add(user)
    model.Session.commit()


def fresh_token(publisher: str, old: str) -> str | None:
    """A new token of the publisher's, the only one that then works; None if `old` works."""
    if old:
        owner = api_token.get_user_from_token(old)
        if owner is not None and owner.name == publisher:
            return None
    context = {"ignore_auth": True, "user": publisher}
    for token in get_action("api_token_list")(dict(context), {"user_id": publisher}):
        get_action("api_token_revoke")(dict(context), {"jti": token["id"]})
    made = get_action("api_token_create")(dict(context), {"user": publisher, "name": TOKEN_NAME})
    return str(made["token"])


def prepare(what: dict[str, Any]) -> dict[str, Any]:
    """All of it, in order."""
    make_tables()
    ensure_user(what["admin"], what["admin_password"], "Quản trị", sysadmin=True)
    ensure_user(what["publisher"], what["publisher_password"], "Nhà xuất bản", sysadmin=False)
    token = fresh_token(what["publisher"], what["old_token"])
    search.rebuild(force=True)  # the index may be younger than the database, or of another schema
    return {"token": token}


def main() -> None:
    """Answer in the last line: CKAN prints as it goes."""
    what = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        application = make_app(load_config())
        with application._wsgi_app.test_request_context():  # noqa: SLF001 - as CKAN's own commands do
            answer = prepare(what)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
