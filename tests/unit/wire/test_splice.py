"""Reading a request for its routing, and putting another model into the same bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.chat.dialect import Dialect
from plano.errors import InvalidJson, InvalidRequest, PlanoError
from plano.wire.splice import Head, read
from tests.unit.wire.documents import TEXTS, requests

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES


def routed(body: bytes, model: str) -> bytes:
    pieces, length = read(body, CHAT).routed_to(model)
    sent = b"".join(pieces)
    assert len(sent) == length
    return sent


def refused(body: bytes, dialect: Dialect = CHAT) -> tuple[str, str | None, str]:
    with pytest.raises(PlanoError) as caught:
        read(body, dialect)
    return caught.value.code, caught.value.param, caught.value.message


# -- what is read


def test_what_routing_needs_is_read_and_the_rest_left_as_it_stands() -> None:
    """Routing decides by the model; the conversation is only looked at when it must be."""
    body = b'{"model": "gpt-4o", "stream": true, "n": 3, "messages": [ {"role":"user"} ], "seed": 1e3}'

    head = read(body, CHAT)

    assert (head.model, head.stream, head.choices) == ("gpt-4o", True, 3)
    assert bytes(head.raw("messages") or b"") == b'[ {"role":"user"} ]'
    assert bytes(head.raw("seed") or b"") == b"1e3"
    assert head.raw("tools") is None


@pytest.mark.parametrize(
    "body",
    [b"{}", b" { } \n", b'{"model":null,"stream":null,"n":null,"messages":null,"tools":null}'],
    ids=["empty", "spaced", "null"],
)
def test_null_is_as_good_as_absent(body: bytes) -> None:
    """SDKs write null for what was not set."""
    head = read(body, CHAT)

    assert (head.model, head.stream, head.choices) == (None, False, 1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b'"gpt-4o"', "gpt-4o"),
        (b'"gpt\\u002d4o"', "gpt-4o"),
        (b'""', ""),
        ('"modèle/é😀"'.encode(), "modèle/é😀"),
        (b'"\\ud83d\\ude00"', "😀"),
    ],
)
def test_a_model_is_the_text_that_was_meant(written: bytes, meant: str) -> None:
    """Escapes are spelling; the same name must find the same model."""
    assert read(b'{"model":%b}' % written, CHAT).model == meant


@pytest.mark.parametrize("key", [b"model", b"mod\\u0065l", b"\\u006D\\u006F\\u0064\\u0065\\u006C"])
def test_a_key_is_known_however_it_is_spelt(key: bytes) -> None:
    """A provider would read the escaped key as `model` too: it must not slip past routing."""
    body = b'{"%b":"a","x":1}' % key

    assert read(body, CHAT).model == "a"
    assert routed(body, "b") == b'{"%b":"b","x":1}' % key


# -- what is changed


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        pytest.param(b'{"model":"a"}', b'{"model":"B"}', id="alone"),
        pytest.param(b' {\t"model" :\n "a" , "x":1 } ', b' {\t"model" :\n "B" , "x":1 } ', id="odd spacing"),
        pytest.param(b'{"x":1,"model":null}', b'{"x":1,"model":"B"}', id="null"),
        pytest.param(b"{}", b'{"model":"B"}', id="absent, nothing else"),
        pytest.param(b'{ "x":1}', b'{"model":"B", "x":1}', id="absent"),
        pytest.param(b'{"model":"B"}', b'{"model":"B"}', id="the same"),
        pytest.param(b'{"model":"\\u0042"}', b'{"model":"\\u0042"}', id="the same, escaped"),
        pytest.param(
            b'{"a":{"model":"a"},"model":"a"}', b'{"a":{"model":"a"},"model":"B"}', id="nested alike"
        ),
        pytest.param(
            b'{"a":"\\"model\\":\\"a\\"","model":"a"}',
            b'{"a":"\\"model\\":\\"a\\"","model":"B"}',
            id="quoted",
        ),
        pytest.param(
            b'{"seed":123456789012345678901234567890,"model":"a"}',
            b'{"seed":123456789012345678901234567890,"model":"B"}',
            id="a number no float can hold",
        ),
        pytest.param(b'{"routing_preferences":[1],"model":"a"}', b'{"model":"B"}', id="preferences first"),
        pytest.param(
            b'{"model":"a", "routing_preferences" : [1] , "x":1}',
            b'{"model":"B",  "x":1}',
            id="preferences amid",
        ),
        pytest.param(
            b'{"model":"a" , "routing_preferences":[1] }', b'{"model":"B"  }', id="preferences last"
        ),
        pytest.param(b'{"routing_preferences":[1]}', b'{"model":"B"}', id="preferences alone"),
        pytest.param(
            b'{"routing_preferences":[1],"x":1}', b'{"model":"B","x":1}', id="preferences, no model"
        ),
        pytest.param(b'{"x":1,"routing_preferences":null}', b'{"model":"B","x":1}', id="null preferences"),
        pytest.param(
            b'{"model":"B","routing_preferences":[]}', b'{"model":"B"}', id="preferences, same model"
        ),
        pytest.param(
            b'{"routing\\u005fpreferences":[1],"model":"a"}', b'{"model":"B"}', id="preferences, escaped"
        ),
    ],
)
def test_only_the_model_and_the_preferences_change(body: bytes, sent: bytes) -> None:
    """Prompt caches hang on every other byte."""
    assert routed(body, "B") == sent


def test_a_name_is_written_as_json() -> None:
    """A model's name comes from a file and may hold anything."""
    assert json.loads(routed(b'{"model":"a"}', 'q"\\\n\x00é')) == {"model": 'q"\\\n\x00é'}


def test_large_parts_are_handed_on_without_a_copy() -> None:
    """At a megabyte the copies are what costs."""
    body = b'{"model":"a","messages":["' + b"x" * 100_000 + b'"]}'

    pieces, _ = read(body, CHAT).routed_to("b")

    assert [piece.obj for piece in pieces if isinstance(piece, memoryview)] == [body, body]


def test_a_body_that_needs_no_change_is_handed_on_itself() -> None:
    """The commonest request is one that names its model as the provider does."""
    body = b'{"model":"a"}'

    assert read(body, CHAT).routed_to("a") == ([body], len(body))


def test_a_request_can_be_routed_more_than_once() -> None:
    """The next candidate gets the same bytes with another name."""
    head = read(b'{"model":"a","routing_preferences":[]}', CHAT)

    assert [b"".join(head.routed_to(name)[0]) for name in ("b", "c", "b")] == [
        b'{"model":"b"}',
        b'{"model":"c"}',
        b'{"model":"b"}',
    ]


@given(request=requests(), name=TEXTS)
def test_the_sent_document_is_the_same_but_for_the_model(
    request: tuple[list[tuple[str, object]], bytes], name: str
) -> None:
    """Whatever a client writes and however: the provider reads the same document."""
    members, body = request

    sent = json.loads(routed(body, name))

    expected = {key: value for key, value in members if key != "routing_preferences"}
    assert sent == {**expected, "model": name}


@given(request=requests(), name=TEXTS)
def test_what_stands_outside_of_the_splices_is_untouched(
    request: tuple[list[tuple[str, object]], bytes], name: str
) -> None:
    """Byte for byte: spacing, escapes, digits."""
    members, body = request
    keys = [key for key, _ in members]
    if "routing_preferences" in keys or "model" not in keys:
        return
    head = read(body, CHAT)
    _, start, end = head._spans["model"]

    sent = routed(body, name)

    assert (sent[:start], sent[len(sent) - len(body) + end :]) == (body[:start], body[end:])


# -- what is refused


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" \n", "empty", id="space"),
        pytest.param(b'\xef\xbb\xbf{"model":"a"}', "byte order mark", id="byte order mark"),
        pytest.param(b'{"model":"a"', "ends too early, at byte 12", id="cut"),
        pytest.param(b'{"model" "a"}', "expected ':' at byte 9", id="no colon"),
        pytest.param(b'{"model":"a",}', "trailing comma", id="trailing comma"),
        pytest.param(b'{"model":"a"}{}', "trailing characters", id="two documents"),
        pytest.param(b"{'model':'a'}", "at byte 1 (line 1, column 2)", id="single quotes"),
        pytest.param(b'{\n "x": 01}', "invalid number at byte 9 (line 2, column 8)", id="leading zero"),
        pytest.param(b'{"x":NaN}', "NaN and Infinity are not JSON", id="NaN"),
        pytest.param(b'{"x":[-Infinity]}', "NaN and Infinity are not JSON", id="Infinity"),
        pytest.param(b'{"x":"\x01"}', "invalid character", id="control byte"),
        pytest.param(
            b'{"x":"\\ud800"}', "lone surrogate escape at byte 6", id="lone high surrogate, skipped"
        ),
        pytest.param(b'{"x":"\\\\\\ud800y"}', "lone surrogate escape at byte 8", id="after a backslash"),
        pytest.param(b'{"model":"\\udc00"}', "lone surrogate", id="lone low surrogate"),
        pytest.param(b'{"x":"\xff"}', "not UTF-8: invalid start byte at byte 6", id="not UTF-8, skipped"),
        pytest.param(b'{"x":"\xed\xa0\x80"}', "not UTF-8", id="surrogate in UTF-8"),
        pytest.param('{"x":"é"}'.encode()[:-3], "not UTF-8: unexpected end", id="half a character"),
        pytest.param('{"x":"é"}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(b'{"x":' + b"[" * 100_000, "nested too deeply", id="deeper than any parser"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(body: bytes, says: str) -> None:
    """The provider would refuse it too, but later, and not in words that help."""
    code, _, message = refused(body)

    assert (code, says in message) == ("invalid_json", True), message


def test_broken_utf8_is_found_behind_a_window_of_it() -> None:
    """A large body is decoded a piece at a time, and characters lie across the seams."""
    body = b'{"xx":"' + "é".encode() * 70_000 + b'\xff"}'

    assert "at byte 140007" in refused(body)[2]
    assert read(body.replace(b"\xff", b""), CHAT).model is None


@pytest.mark.parametrize(
    ("body", "kind"), [(b"[1]", "a list"), (b'"x"', "a string"), (b"null", "null"), (b"12", "a number")]
)
def test_a_request_is_an_object(body: bytes, kind: str) -> None:
    """Anything else has no model to read."""
    assert refused(body) == ("invalid_request", None, f"The body must be a JSON object; got {kind}.")


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model":"a","x":1,"mod\\u0065l":"b"}', "model"),
        (b'{"x":12,"model":"a","x":1}', "x"),
        (b'{"x":1,"model":"a","x":12}', "x"),
        (b'{"x":{"y":1},"x":[2]}', "x"),
        (b'{"\xc3\xa9":1,"\\u00e9":1}', "é"),
        (b'{"a":1,"b":2,"b":2,"a":1}', "b"),
        (b'{"a":1,"a":1,"b":1}', "a"),
        (b'{"b":1,"a":1, "\\u0061" :1,"c":1}', "a"),
        (b'{"x":"aaaa","x":{"model":"b"},"model":"a"}', "x"),
    ],
)
def test_a_key_may_appear_once(body: bytes, key: str) -> None:
    """Parsers disagree on which of two counts: the provider might obey the one that was not checked."""
    code, param, message = refused(body)

    assert (code, param) == ("invalid_json", key)
    assert f"Duplicate key {key!r}" in message


@given(request=requests(), data=st.data())
def test_a_doubled_key_is_always_found(
    request: tuple[list[tuple[str, object]], bytes], data: st.DataObject
) -> None:
    """Whatever stands between the two, and whether or not they are equal."""
    members, body = request
    if not members:
        return
    key, value = data.draw(st.sampled_from(members))
    other = data.draw(st.sampled_from([value, 1, 12, "x", [], {"model": "y"}]))
    doubled = body.rstrip()[:-1] + f",{json.dumps(key)}:{json.dumps(other)}}}".encode()

    assert refused(doubled)[:2] == ("invalid_json", key)


def test_doubled_keys_that_are_only_passed_on_are_the_providers_business() -> None:
    """Nothing here reads them, so nothing here can be fooled by them."""
    assert read(b'{"model":"a","x":{"y":1,"y":2}}', CHAT).model == "a"


@pytest.mark.parametrize(
    ("dialect", "body", "param", "says"),
    [
        (CHAT, b'{"model":1}', "model", "must be a string; got a number at byte 9"),
        (CHAT, b'{"model":["a"]}', "model", "must be a string; got a list"),
        (CHAT, b'{"stream":"true"}', "stream", "must be a boolean; got a string"),
        (CHAT, b'{"messages":"hi"}', "messages", "must be a list; got a string"),
        (CHAT, b'{"tools":{}}', "tools", "must be a list; got an object"),
        (CHAT, b'{"n":"2"}', "n", "must be an integer; got a string"),
        (CHAT, b'{"n":1.5}', "n", "must be an integer; got 1.5"),
        (CHAT, b'{"n":99999999999999999999}', "n", "must be an integer"),
        (CHAT, b'{"routing_preferences":{}}', "routing_preferences", "must be a list"),
        (MESSAGES, b'{"system":1}', "system", "must be a string or a list; got a number"),
        (MESSAGES, b'{"messages":{}}', "messages", "must be a list; got an object"),
        (RESPONSES, b'{"input":{}}', "input", "must be a string or a list; got an object"),
        (RESPONSES, b'{"instructions":true}', "instructions", "must be a string; got a boolean"),
    ],
)
def test_a_wrong_type_is_refused_by_name(dialect: Dialect, body: bytes, param: str, says: str) -> None:
    """What routing reads must be what it seems."""
    code, found, message = refused(body, dialect)

    assert (code, found) == ("invalid_request", param)
    assert says in message


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (CHAT, b'{"input":{},"system":1,"n":-1}'),
        (MESSAGES, b'{"n":"x","system":[],"input":1}'),
        (MESSAGES, b'{"system":"s"}'),
        (RESPONSES, b'{"messages":"x","input":"hi","n":"x"}'),
        (RESPONSES, b'{"input":[]}'),
    ],
)
def test_what_another_dialect_means_by_a_name_does_not_matter(dialect: Dialect, body: bytes) -> None:
    """Unknown fields pass."""
    assert isinstance(read(body, dialect), Head)


def nested(levels: int) -> bytes:
    return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    "beside", [b"", b',"y":"' + b"{[" * 300 + b'"'], ids=["bare", "beside brackets in a text"]
)
def test_nesting_ends_at_sixty_four(beside: bytes) -> None:
    """Exactly there, whatever else holds brackets."""
    deep, deeper = (nested(levels)[:-1] + beside + b"}" for levels in (64, 65))

    assert read(deep, CHAT).model is None
    assert "at most 64 levels" in refused(deeper)[2]


@pytest.mark.parametrize("size", [2_000, 60_000], ids=["counted afterwards", "counted on the way"])
def test_an_object_has_a_thousand_members_at_most(size: int) -> None:
    """A body of millions of keys would take thirty times its size."""
    body = b"{" + b",".join(b'"%d":0' % key for key in range(size)) + b"}"
    enough = b"{" + b",".join(b'"%d":"%s"' % (key, b"x" * (size // 300)) for key in range(1000)) + b"}"

    assert refused(body) == ("invalid_json", None, "An object has more than 1000 members.")
    assert read(enough, CHAT).model is None


def test_our_errors_are_the_only_ones() -> None:
    """Refusals have a place in the tree; a defect would be a 500."""
    assert issubclass(InvalidJson, PlanoError)
    assert issubclass(InvalidRequest, PlanoError)


@given(body=st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing a client can send is a defect."""
    for dialect in Dialect:
        try:
            read(body, dialect)
        except (InvalidJson, InvalidRequest):
            pass


@given(request=requests(), data=st.data())
def test_any_damage_is_read_or_refused(
    request: tuple[list[tuple[str, object]], bytes], data: st.DataObject
) -> None:
    """Nearly right is where parsers break."""
    _, body = request
    at = data.draw(st.integers(0, len(body)))
    broken = body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 2)) :]

    try:
        head = read(broken, CHAT)
    except (InvalidJson, InvalidRequest):
        return
    assert json.loads(b"".join(head.routed_to("m")[0]))["model"] == "m"
