"""Solr: the search of the portal's catalogue. Jetty and Solr from Java archives, one core with CKAN's own schema.

CKAN's schema stems English words before it folds accents, so "ngay" and "thuy" find nothing, and decomposed letters
(NFD) are never found. Here every text is stripped of combining marks before it is cut into words, and folded next.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

from infra.services import Command, Service
from infra.settings import Settings

_FILES = Path(__file__).parent / "solr_files"
_TIMEOUT_S = 5
_CORE = "ckan"


def url(settings: Settings) -> str:
    """Address of the core, as CKAN's `solr_url` wants it."""
    return f"http://127.0.0.1:{settings.ports['solr']}/solr/{_CORE}"


def folded(schema: str) -> str:
    """CKAN's schema, changed so that accented, unaccented and decomposed spellings find each other in every text."""
    root = ET.fromstring(schema)  # noqa: S314 - a file of an installed, hash-locked package
    for analyzer in root.iter("analyzer"):
        strip = {"class": "solr.PatternReplaceCharFilterFactory", "pattern": r"\p{Mn}", "replacement": ""}
        analyzer.insert(0, ET.Element("charFilter", strip))
        fold = ET.Element("filter", {"class": "solr.ASCIIFoldingFilterFactory"})
        analyzer.insert(_place(analyzer, "TokenizerFactory") + 1, fold)
        synonyms = analyzer.find("filter[@class='solr.SynonymGraphFilterFactory']")
        if synonyms is not None:  # once words are cut and in small letters: what is cut after it falls out of step
            analyzer.remove(synonyms)
            analyzer.insert(_place(analyzer, "LowerCaseFilterFactory") + 1, synonyms)
    changed: bytes = ET.tostring(root, encoding="utf-8")
    return changed.decode()


def _place(analyzer: ET.Element, kind: str) -> int:
    return next(place for place, part in enumerate(analyzer) if part.get("class", "").endswith(kind))


def _prepare(settings: Settings) -> None:
    home = settings.home / "solr"
    core, webapp = home / "cores" / _CORE, home / "webapp" / "WEB-INF"
    (core / "conf").mkdir(parents=True, exist_ok=True)
    webapp.mkdir(parents=True, exist_ok=True)
    for name, folder in {
        "jetty.xml": home,
        "log4j2.xml": home,
        "solr.xml": home / "cores",
        "web.xml": webapp,
        "solrconfig.xml": core / "conf",
        "synonyms.txt": core / "conf",
        "protwords.txt": core / "conf",
    }.items():
        shutil.copyfile(_FILES / name, folder / name)
    original = settings.site_packages("portal") / "ckan" / "config" / "solr" / "schema.xml"
    (core / "conf" / "schema.xml").write_text(folded(original.read_text(encoding="utf-8")), encoding="utf-8")
    (core / "core.properties").write_text(f"name={_CORE}\n")


def _command(settings: Settings) -> Command:
    home = settings.home / "solr"
    return Command(
        [
            str(settings.java),
            "-Xms64m",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dfile.encoding=UTF-8",
            "-Dsun.jnu.encoding=UTF-8",
            f"-Dsolr.solr.home={home / 'cores'}",
            f"-Dsolr.webapp={home / 'webapp'}",
            f"-Dsolr.log.dir={settings.logs}",
            f"-Djetty.port={settings.ports['solr']}",
            f"-Dlog4j2.configurationFile={(home / 'log4j2.xml').as_uri()}",
            "org.eclipse.jetty.xml.XmlConfiguration",
            str(home / "jetty.xml"),
        ],
        home,
        {"CLASSPATH": f"{settings.jars / 'solr'}/*", "LC_ALL": "C.UTF-8"},
    )


def _ready(settings: Settings) -> str | None:
    root = url(settings).removesuffix(f"/{_CORE}")
    try:
        core = _get(f"{root}/admin/cores?action=STATUS&core={_CORE}&wt=json")["status"][_CORE]
        if Path(core.get("instanceDir", "")) != settings.home / "solr" / "cores" / _CORE:
            return f"expected the core in {settings.home / 'solr'}, found {core.get('instanceDir', 'no such core')}"
        _get(f"{url(settings)}/select?q=*:*&rows=0&wt=json")
    except (OSError, ValueError, KeyError) as error:
        return f"expected an answer from the Solr core, found: {error}"
    return None


def _get(address: str) -> dict[str, dict[str, dict[str, str]]]:
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - our own loopback address
        parsed: dict[str, dict[str, dict[str, str]]] = json.load(answer)
        return parsed


SERVICE = Service("solr", _command, _ready, ports=("solr",), prepare=_prepare)
