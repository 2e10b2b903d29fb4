"""What messages show of addresses."""

from __future__ import annotations

import time

import pytest

from buildkit.support import addresses


@pytest.mark.parametrize("quote", ["'", '"', "`"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:~PW~@h", "https://…@h"),
        ("https://u:P~W@h/x", "https://…@h/x"),
        ("https://~PW@h/x", "https://…@h/x"),
        ("https://u:P~/W@h/x", "https://…@h/x"),
        ("https://u:P~W%40h/x", "https://…@h/x"),
        ("see ~https://u:P~W@h/x~, now", "see ~https://…@h/x~, now"),
        ("see ~https://u:PW@h/x~, now", "see ~https://…@h/x~, now"),
        ("~https://h/x~ and ~me@h~", "~https://h/x~ and ~me@h~"),
        ("[~https://h/x~, ~me@h~]", "[~https://h/x~, ~me@h~]"),
        ("~https://h/x~: ~demo@sha256:ab~", "~https://h/x~: ~demo@sha256:ab~"),
        ("see ~https://h/x~,~me@h~", "see ~https://h/x~,~me@h~"),
        ("{~url~:~https://h/x~,~to~:~me@h~}", "{~url~:~https://h/x~,~to~:~me@h~}"),
        ("[{~url~:~//h/x~},{~to~:~me@h~}]", "[{~url~:~//h/x~},{~to~:~me@h~}]"),
        ("{~url~:~https://u:P~W@h/x~,~to~:~me@h~}", "{~url~:~https://…@h~}"),
        ("{~url~:~https://u:PW@h/x~,~to~:~me@h~}", "{~url~:~https://…@h/x~,~to~:~me@h~}"),
        ("https://u:P~,~W@h/x", "https://…@h/x"),
        ("https://u\uff1aPW\uff20h/x", "https://…@h/x"),
        ("u\uff1aPW\uff20h/x", "…@h/x"),
        ("~https://u:P~,W@h/x~", "~https://…@h/x~"),
    ],
)
def test_passwords_with_quotes_are_hidden(text: str, shown: str, quote: str) -> None:
    assert addresses.without_user(text.replace("~", quote)) == shown.replace("~", quote)


@pytest.mark.parametrize("quote", ["'", '"', "`"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/?token=P~W", "https://h/?…"),
        ("for url (https://h/x.whl?sig=PW), now", "for url (https://h/x.whl?…), now"),
        ("~https://h/?token=P~W~, now", "~https://h/?…~, now"),
        ("(~https://h/x#token=PW~)", "(~https://h/x#…~)"),
        ("{~url~:~https://h/#PW~,~to~:~me~}", "{~url~:~https://h/#…~,~to~:~me~}"),
        ("~https://h/x~ is no #1", "~https://h/x~ is no #1"),
        ("https://u:P~W@h/?~PW~x", "https://…@h/?…"),
    ],
)
def test_ends_with_quotes_are_hidden(text: str, shown: str, quote: str) -> None:
    assert addresses.hidden(text.replace("~", quote)) == shown.replace("~", quote)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x @ https://h/x# token=PW", "x @ https://h/x#…"),
        ("x @ https://h/x?  token=PW", "x @ https://h/x?…"),
        ("RUN wget https://h/x; tar xf x", "RUN wget https://h/x; tar xf x"),
        ("RUN wget https://h/x%3B tar xf x", "RUN wget https://h/x%3B tar xf x"),
        ("x @ https://h/x%23 token=PW", "x @ https://h/x%23…"),
        ("numpy; python_version < '3'", "numpy; python_version < '3'"),
        ("x @ https://h/x ; python_version < '3'", "x @ https://h/x ; python_version < '3'"),
        ("# a comment", "# a comment"),
    ],
)
def test_what_follows_an_address_after_a_space_is_hidden(text: str, shown: str) -> None:
    assert addresses.shown(text) == shown


@pytest.mark.parametrize(
    "part", ["//'@", "//", "'", "@", "#'", "?", "//#", "]'", "//#]", "%40", "'//'"]
)
def test_long_texts_take_no_time(part: str) -> None:
    began = time.process_time()
    addresses.hidden(part * 20_000)
    addresses.shown(part * 20_000 + " ")
    addresses.has_user(part * 20_000)
    assert time.process_time() - began < 5
