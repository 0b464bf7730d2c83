"""The actions by which a publisher loads a table: authorised like `datastore_upsert`.

Rows come first, to PUT /api/kho/tables/<resource id>/staged, as CSV; then `kho_table_replace` or `kho_table_patch`
makes of them the table's next version. `kho_table_load` says how far that is, `kho_table_state` what the database holds
of a table, `kho_table_versions` what it holds of all of them.
"""

from __future__ import annotations

import errno
import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import psycopg2
from ckan.lib import jobs
from ckan.plugins import toolkit
from flask import Blueprint, jsonify, request

from ckanext_kho.tables import fence, history, staging
from ckanext_kho.tables.database import Busy, Connection, drop, is_held, let_go, reader, writer
from ckanext_kho.tables.fence import Moved
from ckanext_kho.tables.form import Load, Unfit, read_load, read_version
from ckanext_kho.tables.patch import Changes, patch
from ckanext_kho.tables.replace import Occupied, put_back, replace
from ckanext_kho.tables.state import measure, versions

Dict = dict[str, Any]

AT_ONCE = 100_000  # rows that are built within the request, in two or three seconds; more go to the worker of jobs
_JOB_SECONDS = 3600
# How long a question may wait for its answer, and how often we look. A publisher that asks anew every 0.3 s has CKAN
# work 0.06 to 0.13 s each time, on a processor that the build then lacks.
_PATIENCE_S, _GLANCE_S = 5, 0.1
_CHUNK = 1 << 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

staged_rows = Blueprint("kho_tables", __name__)


def answer_refusals(route: Callable[..., Any]) -> Callable[..., Any]:
    """Have a route of ours say what is wrong as CKAN's actions do."""

    @functools.wraps(route)
    def answered(*arguments: Any, **named: Any) -> Any:
        try:
            with _refusals(), _read_to_its_end(request.stream):
                return route(*arguments, **named)
        except toolkit.NotAuthorized as error:
            return _error(403, "Authorization Error", str(error))
        except toolkit.ObjectNotFound as error:
            return _error(404, "Not Found Error", str(error))
        except toolkit.ValidationError as error:
            return _error(409, "Validation Error", error.error_dict)
        except (KeyError, ValueError) as error:
            return _error(409, "Validation Error", {"address": [f"{type(error).__name__}: {error}"]})

    return answered


@staged_rows.route("/api/kho/tables/<resource_id>/staged", methods=["PUT"])
@answer_refusals
def put_staged(resource_id: str) -> Any:
    """Take rows as they stream in; `columns` (JSON) stands in the address."""
    _allow({}, resource_id)
    with writer(resource_id) as connection:
        columns = staging.read_staged(json.loads(request.args["columns"]))
        staged, count = staging.stage(connection, resource_id, columns, request.stream)
    return jsonify(success=True, result={"staged": staged, "rows": count})


def kho_table_replace(context: Any, data_dict: Dict) -> Dict:
    """Make what was staged the table: at once if it is small, else by a job.

    `resource_id`, `staged`, `rows`, `sha256` of what was sent, `fields`, `key`, `version` and `replaces` ({"lineage",
    "version"}, or nothing).
    """
    dataset, resource = _resource(context, data_dict)
    with _refusals(), writer(resource) as connection:
        load = read_load(dataset, resource, data_dict)
        history.prepare(connection)
        is_small = load.rows <= AT_ONCE
        if is_small:
            _replace(connection, load, context["user"])
        else:
            fence.require(connection, load)
            staging.tell(connection, load.staged, stage="queued")
    if not is_small:
        jobs.enqueue(replace_in_background, [load, context["user"]], rq_kwargs={"timeout": _JOB_SECONDS})
    return {"done": is_small}


def replace_in_background(load: Load, user: str) -> None:
    """The same in a process of its own. What goes wrong is written on the staged table, where the publisher reads."""
    try:
        with writer(load.resource) as connection:
            try:
                _replace(connection, load, user)
            except (Unfit, Moved, Occupied, psycopg2.Error) as error:
                staging.tell(connection, load.staged, stage="failed", error=str(error))
    except Busy:
        return  # a later load is at work, and has dropped what this one staged


def _replace(connection: Connection, load: Load, user: str) -> None:
    """With the last step, dropping what was staged, the load is over: CKAN knows of the table by then."""
    replace(connection, load)
    _activate(user, load.resource)
    drop(connection, load.staged)


def kho_table_patch(context: Any, data_dict: Dict) -> Dict:
    """Bring the staged changes into the table.

    As `kho_table_replace`, with `inserted`, `updated` and `deleted` rows as they must be counted.
    """
    dataset, resource = _resource(context, data_dict)
    with _refusals(), writer(resource) as connection:
        expected = Changes(*(int(data_dict[name]) for name in ("inserted", "updated", "deleted")))
        history.prepare(connection)
        patch(connection, read_load(dataset, resource, data_dict), expected)
    return {"done": True}


def kho_table_put_back(context: Any, data_dict: Dict) -> Dict:
    """Undo a replacement by `version`: the table before it, which held `replaces`, takes its place again."""
    dataset, resource = _resource(context, data_dict)
    with _refusals(), writer(resource) as connection:
        version = read_version(data_dict["version"])
        if version is None:
            raise Unfit("say which version is to go")
        history.prepare(connection)
        put_back(connection, dataset, resource, version, read_version(data_dict["replaces"]))
    return {"done": True}


@toolkit.side_effect_free
def kho_table_load(context: Any, data_dict: Dict) -> Dict:
    """How far the load of what was staged is; `stage` is "over" once it has ended or another has begun.

    `at_work` tells whether somebody has hold of the table: a load that nobody works at was killed. With `beyond`, the
    stage that is known, the answer waits, some seconds at most, for another one or for nobody to be at work.
    """
    _, resource = _resource(context, data_dict)
    let_go()
    until = time.monotonic() + _PATIENCE_S
    with reader() as connection:
        while True:
            told = _told(connection, data_dict["staged"])
            at_work = is_held(connection, resource)
            if not at_work and told != _told(connection, data_dict["staged"]):
                continue  # it began or ended between the two: one that nobody works at would have stayed as it was
            if told["stage"] != data_dict.get("beyond") or not at_work or time.monotonic() > until:
                return {**told, "at_work": at_work}
            time.sleep(_GLANCE_S)


def _told(connection: Connection, staged: str) -> Dict:
    """How far it is by now, whenever the transaction began."""
    connection.rollback()
    return staging.told(connection, staged) or {"stage": "over"}


@toolkit.side_effect_free
def kho_table_state(context: Any, data_dict: Dict) -> Dict:
    """Version, rows, nulls by column, digest and form of a table, counted now; for whoever may read it."""
    resource = str(toolkit.get_or_bust(data_dict, "resource_id"))
    toolkit.check_access("datastore_info", context, {"resource_id": resource})
    with reader() as connection:
        found = measure(connection, resource)
    if found is None:
        raise toolkit.ObjectNotFound(f"resource {resource} has no table")
    return found


@toolkit.side_effect_free
def kho_table_versions(context: Any, data_dict: Dict) -> Dict:  # noqa: ARG001 - CKAN's signature
    """Version, columns and form of every table, by resource."""
    with reader() as connection:
        return versions(connection)


ACTIONS = {
    "kho_table_replace": kho_table_replace,
    "kho_table_patch": kho_table_patch,
    "kho_table_put_back": kho_table_put_back,
    "kho_table_load": kho_table_load,
    "kho_table_state": kho_table_state,
    "kho_table_versions": kho_table_versions,
}


def _resource(context: Any, data_dict: Dict) -> tuple[str, str]:
    """The dataset and the resource that a load is for."""
    resource = str(toolkit.get_or_bust(data_dict, "resource_id"))
    return _allow(context, resource), resource


def _allow(context: Any, resource: str) -> str:
    """The resource's dataset, for who may write into its table."""
    shown = toolkit.get_action("resource_show")(toolkit.fresh_context(context), {"id": resource})
    toolkit.check_access("datastore_upsert", context, {"resource_id": resource})
    return str(shown["package_id"])


def _activate(user: str, resource: str) -> None:
    """Tell CKAN that the resource has a table, as `datastore_create` would. By the publisher: a draft stays one."""
    shown = toolkit.get_action("resource_show")({"user": user}, {"id": resource})
    if not shown.get("datastore_active"):
        toolkit.get_action("resource_patch")({"user": user}, {"id": resource, "datastore_active": True})


@contextmanager
def _refusals() -> Iterator[None]:
    """What a load can be refused for, as CKAN says it: status 409 and the field."""
    try:
        yield
    except Busy as error:
        raise toolkit.ValidationError({"busy": ["another load of this table is at work: try again later"]}) from error
    except Unfit as error:
        raise toolkit.ValidationError({"rows": [str(error)]}) from error
    except Moved as error:
        raise toolkit.ValidationError({"moved": [str(error)]}) from error
    except Occupied as error:
        raise toolkit.ValidationError({"busy": [str(error)]}) from error
    except psycopg2.Error as error:
        raise toolkit.ValidationError({"failed": [f"the DataStore's database: {str(error).strip()}"]}) from error
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise toolkit.ValidationError({"failed": [f"the portal's disk: {error.strerror}"]}) from error


@contextmanager
def _read_to_its_end(stream: IO[bytes]) -> Iterator[None]:
    """What was sent and is not wanted is read nevertheless.

    Else the connection is closed upon a publisher that still sends, which then does not hear what we say, or upon the
    next question that it asks.
    """
    try:
        yield
    finally:
        while stream.read(_CHUNK):
            pass


def _error(status: int, kind: str, what: Any) -> Any:
    said = what if isinstance(what, dict) else {"message": what}
    return jsonify(success=False, error={"__type": kind, **said}), status
