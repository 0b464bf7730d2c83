from typing import Any

from portal_sync.extras import as_extras, as_fields

BOTH = {"vi": "Trường học", "en": "Schools"}


def shown(sent: dict[str, Any]) -> dict[str, Any]:
    """What a CKAN without our extension shows of it."""
    return {**sent, "name": "truong-hoc", "num_tags": 0}


def test_what_ckan_has_no_field_for_comes_back_as_it_was() -> None:
    fields = {"title": "Trường học", "title_translated": BOTH, "row_count": "350", "tags": [{"name": "trường"}]}
    sent = as_extras(fields)
    assert sent.keys() == {"title", "tags", "extras"}
    assert fields.items() <= as_fields(shown(sent)).items()


def test_what_is_empty_is_not_there_and_what_others_have_added_stays() -> None:
    held = shown({"extras": [{"key": "note", "value": "giữ lại"}, {"key": "successor", "value": "khác"}]})
    assert as_extras({"successor": "", "grain": "one row per school"}, held)["extras"] == [
        {"key": "grain", "value": "one row per school"},
        {"key": "note", "value": "giữ lại"},
    ]


def test_a_text_that_somebody_put_in_the_place_of_an_object_is_a_text() -> None:
    held = shown({"extras": [{"key": "title_translated", "value": '{"vi": "Trường'}]})
    assert as_fields(held)["title_translated"] == '{"vi": "Trường'
