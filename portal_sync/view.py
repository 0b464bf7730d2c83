"""The view in which a citizen looks at a table: CKAN makes none by itself."""

from __future__ import annotations

from portal_sync.client import Client

_VIEW = {"view_type": "datatables_view", "title": "Bảng dữ liệu"}


def ensure_view(client: Client, resource: str) -> None:
    """Make it, if it is not there."""
    views = client.call("resource_view_list", {"id": resource})
    if not any(view["view_type"] == _VIEW["view_type"] for view in views):
        client.call("resource_view_create", {"resource_id": resource, **_VIEW})
