import xml.etree.ElementTree as ET

from infra.services.solr import folded
from infra.settings import read_settings


def test_every_text_of_ckans_schema_is_folded_before_anything_else() -> None:
    schema = read_settings().site_packages("portal") / "ckan" / "config" / "solr" / "schema.xml"
    analyzers = list(ET.fromstring(folded(schema.read_text(encoding="utf-8"))).iter("analyzer"))  # noqa: S314 - a package of ours
    assert len(analyzers) >= 6
    for analyzer in analyzers:
        kinds = [str(part.get("class")).removeprefix("solr.") for part in analyzer]
        assert kinds[0] == "PatternReplaceCharFilterFactory"
        assert kinds[1].endswith("TokenizerFactory")
        assert kinds[2] == "ASCIIFoldingFilterFactory"
