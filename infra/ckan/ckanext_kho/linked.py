"""What machines are told of a dataset: DCAT-AP for catalogues, schema.org for search engines, Croissant for trainers.

ckanext-dcat makes most of it; each class here adds what it cannot know of us, or says in a form that its standard does
not take. Both languages, media types and formats by address, checksums with their algorithm, licence, contact, theme.
"""

from __future__ import annotations

from typing import Any

from ckan import model
from ckan.plugins import toolkit
from ckanext.dcat.profiles import (
    DCAT,
    DCT,
    FOAF,
    OWL,
    RDF,
    SKOS,
    SPDX,
    VCARD,
    CroissantProfile,
    EuropeanDCATAP3Profile,
    SchemaOrgProfile,
)
from ckanext.dcat.profiles.base import CR, SCHEMA, CleanedURIRef
from ckanext.dcat.utils import dataset_uri, publisher_uri_organization_fallback, resource_uri
from rdflib import BNode, Literal, Namespace, URIRef
from rdflib.namespace import RDFS

from ckanext_kho import bilingual
from ckanext_kho.files import address
from ckanext_kho.media import media_type

Dict = dict[str, Any]

_ADMS = Namespace("http://purl.org/adms/")
_DCATAP = Namespace("http://data.europa.eu/r5r/")
_SCHEMAS = Namespace("https://schema.org/")  # Croissant's; ckanext-dcat's other profile has http
_LISTS = "http://publications.europa.eu/resource/authority/"  # the code lists that DCAT-AP asks for
_MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"
_UNREGISTERED = frozenset({"application/jsonl"})
_FORMATS = {  # ours, in the list `file-type`
    "CSV": "CSV",
    "GeoJSON": "GEOJSON",
    "GeoParquet": "PARQUET",
    "JSON": "JSON",
    "Parquet": "PARQUET",
    "XLSX": "XLSX",
}
_CITY = {"vi": "Thành phố Hồ Chí Minh", "en": "Ho Chi Minh City"}
_SITE = {"vi": "Dữ liệu mở của Thành phố Hồ Chí Minh", "en": "Open data of Ho Chi Minh City"}
_SHA256 = URIRef("https://spdx.org/rdf/terms#checksumAlgorithm_sha256")  # DCAT-AP's shapes want https; SPDX has http
_GROUPS = {"vi": "Các nhóm của cổng dữ liệu", "en": "Groups of the portal"}
_CROISSANT_FORMATS = {"application/vnd.apache.parquet": "application/x-parquet"}  # from before there was another
_CROISSANT_TYPES = {"date": _SCHEMAS.Date, "bool": _SCHEMAS.Boolean, "timestamp": _SCHEMAS.DateTime}


class Dcat(EuropeanDCATAP3Profile):
    """DCAT-AP 3 as its own shapes want it."""

    def graph_from_dataset(self, dataset_dict: Dict, dataset_ref: URIRef) -> None:
        """One dataset with its files."""
        super().graph_from_dataset(dataset_dict, dataset_ref)
        self._from_list(dataset_ref, DCT.language, "language", "VIE", DCT.LinguisticSystem)
        self._from_list(dataset_ref, DCT.accessRights, "access-right", "PUBLIC", DCT.RightsStatement)
        self._from_list(dataset_ref, DCT.spatial, "country", "VNM", DCT.Location)
        for frequency in self.g.objects(dataset_ref, DCT.accrualPeriodicity):
            self.g.add((frequency, SKOS.inScheme, URIRef(f"{_LISTS}frequency")))
        page = URIRef(address("dataset.read", id=dataset_dict["name"]))
        self.g.add((dataset_ref, DCAT.landingPage, page))
        self.g.add((page, RDF.type, FOAF.Document))
        if dataset_dict.get("kho_version"):
            self.g.add((dataset_ref, DCAT.version, Literal(dataset_dict["kho_version"])))
        self._source(dataset_dict, dataset_ref)
        for group in dataset_dict.get("groups") or []:
            theme = URIRef(address("group.read", id=group["name"]))
            self.g.add((dataset_ref, DCAT.theme, theme))
            self.g.add((theme, RDF.type, SKOS.Concept))
            self.g.add((theme, SKOS.inScheme, self._groups()))
            self._say(theme, SKOS.prefLabel, bilingual.both_titles(group))
        if dataset_dict.get("organization"):
            self._department(dataset_dict, dataset_ref)
        for resource in dataset_dict.get("resources") or []:
            self._file(resource, CleanedURIRef(resource_uri(resource)))

    def graph_from_catalog(self, catalog_dict: Dict | None, catalog_ref: URIRef) -> None:
        """The portal."""
        super().graph_from_catalog(catalog_dict, catalog_ref)
        for predicate in (DCT.language, DCT.description):
            self.g.remove((catalog_ref, predicate, None))
        self._say(catalog_ref, DCT.description, _SITE)
        for language in ("VIE", "ENG"):
            self._from_list(catalog_ref, DCT.language, "language", language, DCT.LinguisticSystem)
        self._from_list(catalog_ref, DCT.spatial, "country", "VNM", DCT.Location)
        for homepage in self.g.objects(catalog_ref, FOAF.homepage):
            self.g.add((homepage, RDF.type, FOAF.Document))
        city = URIRef(address("home.about") + "#city")
        self.g.add((catalog_ref, DCT.publisher, city))
        self._agent(city, _CITY)
        self.g.add((catalog_ref, DCAT.themeTaxonomy, self._groups()))
        oldest = model.Session.query(model.Package.metadata_created).order_by(model.Package.metadata_created).first()
        if oldest:
            self._add_date_triple(catalog_ref, DCT.issued, oldest[0].isoformat())

    def _department(self, dataset_dict: Dict, dataset_ref: URIRef) -> None:
        """The publisher, who also answers questions."""
        names = bilingual.both_titles(dataset_dict["organization"])
        page = URIRef(address("organization.read", id=dataset_dict["organization"]["name"]))
        publisher = CleanedURIRef(publisher_uri_organization_fallback(dataset_dict))
        self.g.remove((publisher, FOAF.name, None))
        self._agent(publisher, names)
        contact = BNode()
        self.g.add((dataset_ref, DCAT.contactPoint, contact))
        self.g.add((contact, RDF.type, VCARD.Kind))
        self.g.add((contact, RDF.type, VCARD.Organization))
        self._say(contact, VCARD.fn, names)
        self.g.add((contact, VCARD.hasURL, page))

    def _agent(self, agent: URIRef, names: dict[str, str]) -> None:
        kind = _ADMS["publishertype/LocalAuthority"]
        self.g.add((agent, RDF.type, FOAF.Agent))
        self._say(agent, FOAF.name, names)
        self.g.add((agent, DCT.type, kind))
        self.g.add((kind, RDF.type, SKOS.Concept))
        self.g.add((kind, SKOS.inScheme, _ADMS["publishertype/1.0"]))
        self._say(kind, SKOS.prefLabel, {"vi": "Cơ quan địa phương", "en": "Local Authority"})

    def _source(self, dataset_dict: Dict, dataset_ref: URIRef) -> None:
        """Whose figures these are."""
        statement = BNode()
        self.g.add((dataset_ref, DCT.provenance, statement))
        self.g.add((statement, RDF.type, DCT.ProvenanceStatement))
        self._say(statement, RDFS.label, bilingual.both(dataset_dict, "source_title"))
        if dataset_dict.get("source_url"):
            self.g.add((statement, RDFS.seeAlso, CleanedURIRef(dataset_dict["source_url"])))

    def _file(self, resource: Dict, distribution: URIRef) -> None:
        for predicate in (DCAT.mediaType, DCT["format"]):
            self.g.remove((distribution, predicate, None))
        if (told := media_type(resource)) and told not in _UNREGISTERED:
            registered = URIRef(_MEDIA_TYPES + told)
            self.g.add((distribution, DCAT.mediaType, registered))
            self.g.add((registered, RDF.type, DCT.MediaType))
        if code := _FORMATS.get(resource.get("format") or ""):
            self._from_list(distribution, DCT["format"], "file-type", code, DCT.MediaTypeOrExtent)
        if resource.get("url"):
            self.g.add((distribution, DCAT.downloadURL, CleanedURIRef(resource["url"])))
        self._from_list(distribution, _DCATAP.availability, "planned-availability", "STABLE", SKOS.Concept)
        self._say(URIRef(f"{_LISTS}planned-availability/STABLE"), SKOS.prefLabel, {"vi": "ổn định", "en": "stable"})
        for licence in self.g.objects(distribution, DCT.license):
            self.g.remove((licence, DCT.type, None))  # "unknown", says ckanext-dcat of every one
            self.g.add((licence, RDF.type, DCT.LicenseDocument))
        for checksum in self.g.objects(distribution, SPDX.checksum):
            self.g.add((checksum, SPDX.algorithm, _SHA256))
            self.g.add((_SHA256, RDF.type, SPDX.ChecksumAlgorithm))
            self.g.add((_SHA256, OWL.sameAs, SPDX.checksumAlgorithm_sha256))

    def _groups(self) -> URIRef:
        scheme = URIRef(address("group.index"))
        self.g.add((scheme, RDF.type, SKOS.ConceptScheme))
        self._say(scheme, DCT.title, _GROUPS)
        return scheme

    def _from_list(self, subject: URIRef, predicate: URIRef, name: str, code: str, kind: URIRef) -> None:
        """A value of one of the code lists."""
        value = URIRef(f"{_LISTS}{name}/{code}")
        self.g.add((subject, predicate, value))
        self.g.add((value, RDF.type, kind))
        self.g.add((value, SKOS.inScheme, URIRef(f"{_LISTS}{name}")))

    def _say(self, subject: URIRef | BNode, predicate: URIRef, texts: dict[str, str]) -> None:
        for language, text in texts.items():
            self.g.add((subject, predicate, Literal(text, lang=language)))


class SchemaOrg(SchemaOrgProfile):
    """What search engines for datasets read: https://developers.google.com/search/docs/appearance/structured-data/dataset."""

    def graph_from_dataset(self, dataset_dict: Dict, dataset_ref: URIRef) -> None:
        """One dataset with its files."""
        super().graph_from_dataset(_with_names(dataset_dict), dataset_ref)
        self.g.add((dataset_ref, SCHEMA.isAccessibleForFree, Literal(True)))  # noqa: FBT003 - rdflib's own
        self.g.add((dataset_ref, SCHEMA.inLanguage, Literal(bilingual.STORED)))
        if dataset_dict.get("kho_version"):
            self.g.add((dataset_ref, SCHEMA.version, Literal(dataset_dict["kho_version"])))

    def _distribution_format_graph(self, distribution: URIRef, resource_dict: Dict) -> None:
        told = media_type(resource_dict) or resource_dict.get("format")
        super()._distribution_format_graph(distribution, {"format": told})

    def _distribution_url_graph(self, distribution: URIRef, resource_dict: Dict) -> None:
        super()._distribution_url_graph(distribution, {"download_url": resource_dict.get("url"), **resource_dict})


class Croissant(CroissantProfile):
    """Croissant 1.0, with every type of a column, and what the data dictionary says of it.

    Records are read from the Parquet file: from CSV its own library makes 127 of 00127.
    """

    def graph_from_dataset(self, dataset_dict: Dict, dataset_ref: URIRef) -> None:
        """One dataset with its files and its table's columns."""
        told = _with_names(dataset_dict)
        if dataset_dict.get("organization"):
            told["creator"] = [
                {
                    "id_given": publisher_uri_organization_fallback(dataset_dict),
                    "type": "organization",
                    "name": dataset_dict["organization"]["title"],
                    "url": address("organization.read", id=dataset_dict["organization"]["name"]),
                }
            ]
        if dataset_dict.get("kho_version"):
            told["version"] = f"{dataset_dict['kho_version']}.0.0"  # Croissant wants three numbers
        self._typed = next(
            (URIRef(resource_uri(one)) for one in told.get("resources") or [] if one.get("format") == "Parquet"), None
        )
        super().graph_from_dataset(told, dataset_ref)
        self._make_absolute(f"{dataset_uri(dataset_dict)}/resource/")

    def _resource_format_graph(self, resource_ref: URIRef, resource_dict: Dict) -> None:
        told = media_type(resource_dict) or resource_dict.get("format")
        super()._resource_format_graph(resource_ref, {"mimetype": _CROISSANT_FORMATS.get(told, told)})

    def _recordset_graph(self, dataset_ref: URIRef, resource_ref: URIRef, resource_dict: Dict) -> None:
        super()._recordset_graph(dataset_ref, resource_ref, resource_dict)
        records = URIRef(f"{resource_dict['id']}/records")
        if (records, RDF.type, CR.RecordSet) not in self.g:
            return
        self.g.add((records, _SCHEMAS.name, Literal("records")))
        for field in toolkit.get_action("datastore_info")({}, {"id": resource_dict["id"]})["fields"]:
            column, info = URIRef(f"{records}/{field['id']}"), field.get("info") or {}
            self.g.add((column, _SCHEMAS.name, Literal(field["id"])))
            if told := ". ".join(text for text in (info.get("label"), info.get("notes")) if text):
                self.g.add((column, _SCHEMAS.description, Literal(told)))
            if kind := _CROISSANT_TYPES.get(field["type"]):
                self.g.set((column, CR.dataType, kind))
            if self._typed is not None:
                self.g.set((self.g.value(column, CR.source), CR.fileObject, self._typed))

    def _make_absolute(self, base: str) -> None:
        """Give names without a place one below `base`: what reads them puts one of its own in front."""
        for triple in list(self.g):
            whole = tuple(URIRef(base + node) if _is_relative(node) else node for node in triple)
            if whole != triple:
                self.g.remove(triple)
                self.g.add(whole)


def _is_relative(node: Any) -> bool:
    return isinstance(node, URIRef) and ":" not in node


def _with_names(dataset_dict: Dict) -> Dict:
    """A copy in which groups go by their titles: theirs is the word that is shown."""
    groups = [{**group, "name": group.get("title") or group["name"]} for group in dataset_dict.get("groups") or []]
    return {**dataset_dict, "groups": groups}
