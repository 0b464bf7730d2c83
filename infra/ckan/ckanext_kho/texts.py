"""The Vietnamese texts that CKAN lacks or says oddly: compiled from `i18n/vi` when they have changed."""

from __future__ import annotations

import os
from pathlib import Path

import polib
from ckan.lib import i18n
from ckan.plugins import toolkit

DOMAIN = "ckanext-kho"
SOURCE = Path(__file__).parent / "i18n" / "vi" / f"{DOMAIN}.po"


def compiled_folder() -> Path:
    """The folder of compiled texts, of the portal's own storage: this one may not be ours to write into."""
    folder = Path(toolkit.config["ckan.storage_path"]) / "kho-i18n"
    compiled = folder / "vi" / "LC_MESSAGES" / f"{DOMAIN}.mo"
    if not compiled.exists() or compiled.stat().st_mtime < SOURCE.stat().st_mtime:
        compiled.parent.mkdir(parents=True, exist_ok=True)
        _compile_for_scripts()
        fresh = compiled.with_suffix(f".{os.getpid()}")
        polib.pofile(str(SOURCE)).save_as_mofile(str(fresh))
        fresh.replace(compiled)
    return folder


def _compile_for_scripts() -> None:
    """Those of the texts that scripts in pages use. CKAN's own command does it for all languages: half a minute."""
    core = Path(i18n.get_ckan_i18n_dir())
    used = i18n._get_js_translation_entries(str(core / "ckan.pot"))  # noqa: SLF001 - there is no public way
    used |= {"Sort", "Search", "Add Filter", "Remove Filter"}
    target = Path(i18n.get_js_translations_dir()) / "vi.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(core / "vi" / "LC_MESSAGES" / "ckan.po"), str(SOURCE)]
    i18n._build_js_translation("vi", sources, used, str(target))  # noqa: SLF001
