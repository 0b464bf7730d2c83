"""Datasets as the database has them.

CKAN (2.12.0) tells its search index of a change before its database: a process that is killed in between leaves an
index that is ahead for ever, of a dataset that nobody can see or that should be gone.
"""

from __future__ import annotations

from typing import Any

from ckan import model
from ckan.plugins import toolkit

Dict = dict[str, Any]


@toolkit.side_effect_free
def kho_datasets(context: Any, data_dict: Dict) -> Dict:  # noqa: ARG001 - CKAN's signature
    """State and last change, by name, of the datasets of those organisations whose datasets the asker may change.

    With those that are deleted: CKAN keeps them, and their names.
    """
    asked = {"permission": "update_dataset"}
    found = toolkit.get_action("organization_list_for_user")(toolkit.fresh_context(context), asked)
    package, theirs = model.Package, [one["id"] for one in found]
    kept = (
        model.Session.query(package.name, package.state, package.private, package.metadata_modified)
        .filter(package.type == "dataset")
        .filter(package.owner_org.in_(theirs))
    )
    return {
        name: {"state": state, "private": private, "metadata_modified": changed.isoformat()}
        for name, state, private, changed in kept
    }


ACTIONS = {"kho_datasets": kho_datasets}
