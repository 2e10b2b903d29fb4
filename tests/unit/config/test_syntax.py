"""What is no TOML is told by what is wrong with it, and where."""

from __future__ import annotations

import pytest
import tomli

from buildkit.config import toml
from buildkit.support.errors import ConfigError
from tests.support.projects import MINIMAL, parse
from tests.support.waiting import QUADRATIC, growth


def broken(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "[image.demo]\n", ":5: not TOML: the table `image.demo` is written twice, first on line 2", id="a table"
        ),
        pytest.param(
            "base = 'b'\n", ":5: not TOML: the key `image.demo.base` is written twice, first on line 4", id="a key"
        ),
        pytest.param(
            "packages = [\n  'a',\n]\n\n# why\npackages = [\n  'b', 'c',\n]\n",
            ":10: not TOML: the key `image.demo.packages` is written twice, first on line 5",
            id="of several lines",
        ),
        pytest.param(
            "labels.\"a=b\" = '1'\nlabels.\"a=b\" = '2'\n",
            ":6: not TOML: the key `image.demo.labels.a=b` is written twice, first on line 5",
            id="a key in quotes",
        ),
        pytest.param(
            "samples.code = 'a'\nsamples.code = 'b'\n",
            ":6: not TOML: the key `image.demo.samples.code` is written twice, first on line 5",
            id="a key with dots",
        ),
        pytest.param(
            "[[image.demo.override]]\nwhen = {}\n[[image.demo.override]]\nwhen = {}\nwhen = {}\n",
            ":9: not TOML: the key `image.demo.override.1.when` is written twice, first on line 8",
            id="a key of the second of a list",
        ),
        pytest.param(
            "[image.demo.samples]\n[[image.demo.samples.payload]]\nbody = 'a'\n"
            "[image.demo.samples]\n",
            ":8: not TOML: the table `image.demo.samples` is written twice, first on line 5",
            id="a table below",
        ),
        pytest.param(
            "samples = {}\n[image.demo.samples]\n",
            ":6: not TOML: the table `image.demo.samples` is written twice, first on line 5",
            id="a table that is a key",
        ),
        pytest.param(
            "args = { A = '1', A = '2' }\n",
            ":5: not TOML: the key `A` is written twice in one table",
            id="in one line",
        ),
    ],
)  # fmt: skip
def test_what_is_there_twice_is_named_with_both_places(text: str, said: str) -> None:
    error = broken(MINIMAL + text)
    assert error.message == f"images.toml{said}"
    assert "quotes" not in str(error.hint)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("image:\n  demo:\n    base: x\n", "YAML", id="YAML"),
        pytest.param("---\nimage:\n", "YAML", id="YAML with its mark"),
        pytest.param("- demo\n", "YAML", id="a list of YAML"),
        pytest.param(MINIMAL + "packages:\n  - six\n", "YAML", id="a line of YAML"),
        pytest.param('{\n  "image": {}\n}\n', "JSON", id="JSON"),
        pytest.param(MINIMAL + "packages = [six]\n", "quotes", id="no quotes"),
        pytest.param("[image.demo\n", "quotes", id="no bracket"),
    ],
)
def test_another_language_is_recognized(text: str, hint: str) -> None:
    error = broken(text)
    assert "not TOML" in error.message
    assert hint in str(error.hint)
    assert (hint == "YAML") == ("YAML" in str(error.hint))


@pytest.mark.parametrize(
    "text",
    [
        "a.b = 1\na.b.c = 2\n",
        "[a]\nb = 1\n[a.b]\n",
        "a = [1]\n[[a]]\n",
        "a = {b = 1}\n[a.c]\n",
        "a = { b.c = 1, b = 2 }\n",
        "\n" * 500 + "a = 1\na = [" + "\n1," * 500 + "]\n",
        'a = """\n[a]\n[a]\n"""\na = 1\n',
        "[a]\n[a]",
        "[ a . b ]\n[a.b]\n",
        "a = 1\r\na = 2\r\n",
    ],
)
def test_whatever_is_written_twice_there_is_an_answer(text: str) -> None:
    assert "not TOML: " in broken(text).message


LINES = r"""# [a]
top = 1  # in the first line that is no comment

[a]
one = [
  "#", # ]
  { x = '[', "y" = "\\\"]" },
]
'two words'."3.4" = LLL
[b]
\LLL''
inside.deep.key = BBB"
[c]
x = \""
""\
""BBB
empty = [LLLLLL, BBBBBB, "", '']

  [[ a.list ]]
name = "first"
[a.list.below]
name = 1
[[a.list]]
[[a.list]]
name = { b = 1, c = [
2] }
[a.list.below]
name = 2
[z]
""".replace("LLL", "'''").replace("BBB", '"' * 3)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("a",), 4),
        (("a", "one"), 5),
        (("a", "one", 1, "y"), 5),
        (("a", "two words"), 9),
        (("a", "two words", "3.4"), 9),
        (("a", "inside"), 12),
        (("a", "inside", "deep", "key"), 12),
        (("a", "empty"), 17),
        (("a", "list"), 19),
        (("a", "list", 0), 19),
        (("a", "list", 0, "name"), 20),
        (("a", "list", 0, "below"), 21),
        (("a", "list", 0, "below", "name"), 22),
        (("a", "list", 1), 23),
        (("a", "list", 1, "nosuch"), 23),
        (("a", "list", 2), 24),
        (("a", "list", 2, "name", "c", 0), 25),
        (("a", "list", 2, "below", "name"), 28),
        (("a", "nosuch"), 4),
        (("z",), 29),
        (("b",), 1),
        (("c", "x"), 1),
        ((), 1),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_has_its_line(path: toml.Where, line: int, newline: str) -> None:
    text = LINES.replace("\n", newline)
    tomli.loads(text)  # it is TOML
    assert toml.line_of(path, toml.lines_of(text)) == line


def test_a_key_that_is_there_twice_is_found_at_the_cost_of_its_lines() -> None:
    def read(count: int) -> None:
        lines = [f"[image.n{number}]\nbase = 'b'\n" for number in range(count)]
        said = broken("".join([*lines, "base = 'c'\n"])).message
        assert f"first on line {2 * count}" in said

    assert growth(read, 100) < QUADRATIC / 2
