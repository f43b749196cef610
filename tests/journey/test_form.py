"""Forms are read as a browser reads them, and sent as a browser sends them."""

from __future__ import annotations

import email.parser
import email.policy
import html
import time
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.journey.form import MULTIPART, URLENCODED, File, encode, find, forms

PAGE = """
<!DOCTYPE html><form id="search" action="/find"><input name="q" value="a &amp; b"></form>
<form method="post" action="/accounts/signup/" enctype="multipart/form-data">
  <input type="hidden" name="csrf" value="t0k&quot;en"><input name="email"><input type=password name=password>
  <input type="checkbox" name="terms" checked><input type="checkbox" name="news" value="yes">
  <input type="radio" name="sex" value="L"><input type="radio" name="sex" value="P" checked>
  <input name="no" value="1" disabled><input value="nameless"><input type="submit" name="go" value="Go">
  <select name="province"><option value="31">Jakarta</option><option value="32" selected>Jawa Barat</option></select>
  <select name="city"><option value="3171">Jakarta Pusat</option><option value="3172">Jakarta Utara</option></select>
  <textarea name="note">
two
lines</textarea>
</form><input name="outside" value="1"><form><p>no field
"""
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)


def test_a_form_has_the_fields_that_a_browser_would_send() -> None:
    search, form, bare = forms(PAGE)

    assert (search.id, search.action, search.method, search.content_type) == ("search", "/find", "GET", URLENCODED)
    assert search.fields == (("q", "a & b"),)
    assert (form.action, form.method, form.content_type) == ("/accounts/signup/", "POST", MULTIPART)
    assert form.fields == (
        ("csrf", 't0k"en'),
        ("email", ""),
        ("password", ""),
        ("terms", "on"),
        ("sex", "P"),
        ("province", "32"),
        ("city", "3171"),
        ("note", "two\nlines"),
    )
    assert (bare.action, bare.method, bare.fields) == ("", "GET", ())


def test_a_form_is_found_by_its_id_or_its_action() -> None:
    assert find(PAGE, "search") == find(PAGE, "/find") == find(PAGE, "") == forms(PAGE)[0]
    assert find(PAGE, "/accounts/signup/") == forms(PAGE)[1]
    assert find(PAGE, "login") is None
    assert find("no form", "") is None


def test_what_is_commented_out_is_no_form_and_no_field() -> None:
    page = '<!-- <form id="a"> --><form id="b"><!-- <input name="x"> --><input name="y"></form><!-- <form id="c">'

    assert [(form.id, form.fields) for form in forms(page)] == [("b", (("y", ""),))]


def test_a_page_made_to_be_slow_to_read_is_read_in_time_that_grows_with_its_length() -> None:
    started = time.process_time()
    for hostile in ("<!--", "</form>", "<!-- -->", "<form><input name=a>", "<form><script>"):
        forms(hostile * 200_000)

    assert time.process_time() - started < 10


def test_filling_in_keeps_what_is_hidden_and_adds_what_the_form_does_not_have() -> None:
    form = forms(PAGE)[1]
    filled = form.fill({"email": "a@example.org", "sex": "L", "extra": "1"})

    assert dict(filled) == {**dict(form.fields), "email": "a@example.org", "sex": "L", "extra": "1"}
    assert filled[0] == ("csrf", 't0k"en')
    assert filled[-1] == ("extra", "1")


@given(st.text())
def test_no_page_is_so_broken_that_reading_its_forms_fails(page: str) -> None:
    assert all(form.method in ("GET", "POST") for form in forms(f"<form>{page}<form"))


@given(st.lists(st.tuples(NAMES, TEXT), max_size=6))
def test_hidden_fields_come_back_as_they_stand_in_the_page(fields: list[tuple[str, str]]) -> None:
    inputs = "".join(f'<input name="{html.escape(name)}" value="{html.escape(value)}">' for name, value in fields)

    assert forms(f"<form>{inputs}</form>")[0].fields == tuple(fields)


@given(st.lists(st.tuples(TEXT, TEXT)))
def test_an_encoded_form_is_decoded_to_the_same_fields(fields: list[tuple[str, str]]) -> None:
    body, content_type = encode(fields)

    assert content_type == URLENCODED
    assert parse_qsl(body.decode(), keep_blank_values=True) == fields


@given(st.lists(st.tuples(NAMES, TEXT), max_size=4), st.binary(max_size=200))
def test_a_multipart_form_carries_fields_and_files_unchanged(fields: list[tuple[str, str]], content: bytes) -> None:
    body, content_type = encode(fields, {"photo": File("ktp.jpg", content, "image/jpeg")})
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    *plain, photo = message.iter_parts()

    assert [part.get_payload(decode=True) for part in plain] == [value.encode() for _, value in fields]
    assert photo.get_filename() == "ktp.jpg"
    assert photo.get_content_type() == "image/jpeg"
    assert photo.get_payload(decode=True) == content
    assert encode(fields, {"photo": File("ktp.jpg", content, "image/jpeg")}) == (body, content_type)


def test_a_name_cannot_break_out_of_its_part() -> None:
    body, _ = encode([('a"\r\nX: 1', "v")], content_type=MULTIPART)

    assert b'name="a%22%0D%0AX: 1"\r\n' in body
