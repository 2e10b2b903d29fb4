from __future__ import annotations

import pytest

from buildkit import cli
from buildkit.config import substitution
from buildkit.support.errors import Exit, UsageError

MIRROR = substitution.parse(["python:*=mirror.example:5000/library/python:*"])


@pytest.mark.parametrize(
    ("base", "rule", "wanted"),
    [
        ("python:3.11-slim", "python:3.11-slim=local/python:1", "local/python:1"),
        ("python:3.11-slim", "python:*=m.example/python:*", "m.example/python:3.11-slim"),
        ("python:3.11", "docker.io/*=m.example/hub/*", "m.example/hub/library/python:3.11"),
        ("nvidia/cuda:12", "docker.io/*=m.example/hub/*", "m.example/hub/nvidia/cuda:12"),
        ("docker.io/library/python:3", "python:*=m.example/p:*", "m.example/p:3"),
        ("other.example/a/b:1", "docker.io/*=m.example/*", None),
        ("other.example/a/b:1", "other.example/*=m.example/other/*", "m.example/other/a/b:1"),
        ("python:3.11", "python:3.12=other:1", None),
    ],
)
def test_a_rule_fits_the_short_and_the_full_name(base: str, rule: str, wanted: str | None) -> None:
    assert substitution.substitute(base, substitution.parse([rule])) == wanted


def test_a_rule_for_all_images_is_refused_with_one_for_all_of_a_registry() -> None:
    with pytest.raises(UsageError, match=r"`\*` alone matches every image; .* `docker.io/\*`"):
        substitution.parse(["*=mirror.example/*"])
    rules = substitution.parse(["docker.io/*=mirror.example/*"])
    assert substitution.substitute("python:3.11", rules) == "mirror.example/library/python:3.11"
    assert substitution.substitute("a/b", rules) == "mirror.example/a/b"
    assert substitution.substitute("quay.io/a/b", rules) is None


def test_the_first_rule_that_fits_wins() -> None:
    rules = substitution.parse(["python:3.11=one:1", "python:*=two:*"])
    assert substitution.substitute("python:3.11", rules) == "one:1"
    assert substitution.substitute("python:3.12", rules) == "two:3.12"


@pytest.mark.parametrize("rule", ["python", "python:*=b", "a=b c", "=b", "a=", "a:*=b:**"])
def test_a_rule_that_cannot_be_is_a_usage_error_with_an_example(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        substitution.parse([rule])
    assert f"`--substitute {rule}`: " in caught.value.message
    assert caught.value.hint


PYTORCH = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (f"{PYTORCH}=https://m.example/cpu", "https://m.example/cpu"),
        (f"{PYTORCH}/=https://m.example/cpu/", "https://m.example/cpu/"),
        (
            "https://download.pytorch.org/*=http://10.0.0.1:8080/p/*",
            "http://10.0.0.1:8080/p/whl/cpu",
        ),
        ("https://download.pytorch.org/whl/cu128=https://m.example/cu128", None),
        ("docker.io/*=m.example/*", None),
    ],
)
def test_a_package_index_has_mirrors_as_a_base_has(rule: str, wanted: str | None) -> None:
    rules = substitution.parse([rule])
    assert substitution.mirror(PYTORCH, rules) == wanted
    assert substitution.substitute("python:3.11", rules) in (None, "m.example/library/python:3.11")


@pytest.mark.parametrize(
    "rule",
    [
        "https://a.example/*=mirror.example/a/*",
        "python:*=https://m.example/*",
        "https://a.example=https://u:p4ss@m.example",
        "https://a.example=https://m.example/?token=p4ss",
    ],
)
def test_a_rule_leads_from_an_address_to_one_without_credentials(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        substitution.parse([rule])
    assert "p4ss" not in caught.value.message.partition(": ")[2]


def test_a_rule_of_a_variable_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUILDKIT_SUBSTITUTE", "foo")
    assert cli.run(["build", "--all"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "`BUILDKIT_SUBSTITUTE=foo`: expected `FROM=TO`, found no `=`" in said
    assert "--substitute" not in said


@pytest.mark.parametrize(
    ("variable", "arguments", "name"),
    [("https://h", [], "BUILDKIT_REGISTRY"), ("", ["--registry", "https://h"], "--registry")],
)
def test_a_registry_that_is_no_host_is_named_by_the_way_it_was_given(
    variable: str,
    arguments: list[str],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BUILDKIT_REGISTRY", variable)
    assert cli.run(["push", "--all", *arguments]) == Exit.USAGE
    assert (
        f"error: {name}: 'https://h' is not the host name of a registry" in capsys.readouterr().err
    )
