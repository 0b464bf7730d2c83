"""The Atom feeds, as feed readers need them.

CKAN's own (2.12) lead to the API's JSON instead of pages, to a next page that is not there, and by addresses that are
relative or lack a slash; they begin with the oldest, say that they are English, and have news at every look.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from ckan.plugins import toolkit
from ckan.views.feed import CKANFeed

from ckanext_kho import bilingual

Dict = dict[str, Any]


class Feed(CKANFeed):
    """A feed in the language of its address. Called as CKAN calls it; of that, only the title is of use."""

    def __init__(self, feed_title: str, *_: Any, last_page: str | None = None, **__: Any) -> None:
        """Every address is made anew. The last page's has its number as a fraction, page by page and one."""
        here = toolkit.h.get_page_number(toolkit.request.args)
        last = max(1, math.floor(float((last_page or "").rpartition("=")[2] or 1)))
        super().__init__(
            re.sub(" - (Organization|Group|Tag): ", ": ", feed_title),
            feed_link=_listing(),
            feed_description=bilingual.say("Bộ dữ liệu mới hoặc vừa cập nhật", "Datasets that are new or have changed"),
            language=bilingual.language(),
            author_name=toolkit.config["ckan.site_title"],
            feed_guid=_feed(),
            feed_url=_feed(here),
            previous_page=_feed(here - 1) if here > 1 else None,
            next_page=_feed(here + 1) if here < last else None,
            first_page=_feed(),
            last_page=_feed(last),
        )
        self._newest: datetime | None = None

    def add_entry(self, feedEntry: Any = None, order: str = "append") -> Any:  # noqa: N803 - the library's names
        """In the order in which they come: the newest first."""
        return super().add_entry(feedEntry, order)

    def add_item(self, **kwargs: Any) -> None:
        """One dataset."""
        package = kwargs.pop("package")
        kwargs.pop("enclosure")  # its kind of link is lost on the way (feedgen 1.0), and it would be one more page
        identity = f"{toolkit.config['ckan.site_url']}/dataset/{package['id']}"
        super().add_item(**{**kwargs, "unique_id": identity, "link": _address("dataset.read", id=package["name"])})
        self._newest = max(self._newest or kwargs["updated"], kwargs["updated"])
        self.updated(self._newest.replace(tzinfo=UTC))


def item_fields(package: Dict) -> Dict:
    """What an item is told beside what CKAN tells: all."""
    return {"package": package}


def _feed(number: int = 1) -> str:
    """The address of a page of the feed that is asked for."""
    request = toolkit.request
    asked = {name: value for name, value in request.args.items() if name != "page"}
    page = {"page": str(number)} if number > 1 else {}
    return _address(request.endpoint, **(request.view_args or {}), **asked, **page)


def _listing() -> str:
    """The page of which the feed is one: of an organisation, a group, or all datasets."""
    request = toolkit.request
    kind, name = request.endpoint.partition(".")[2], (request.view_args or {}).get("id", "")
    if kind in ("organization", "group"):
        return _address(f"{kind}.read", id=name)
    return _address("dataset.search", **({"tags": name} if kind == "tag" else {}))


def _address(route: str, **parts: str) -> str:
    """In the language of the feed."""
    return str(toolkit.h.url_for(route, **parts, qualified=True))
