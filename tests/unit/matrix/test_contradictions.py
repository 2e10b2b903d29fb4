"""Requirements of one name that no version meets."""

from __future__ import annotations

import pytest

from buildkit.matrix import contradictions


@pytest.mark.parametrize(
    "packages",
    [
        ("numpy==1.26.4", "numpy==2.0.0"),
        ("numpy==1.26.4", "NumPy<1"),
        ("a ==1,==2",),
        ("a-b==1", "a_b[extra]==2"),
        ("a>=2", "a<1"),
        ("a>=2,<2",),
        ("a>2", "a<=2"),
        ("a~=1.4", "a>=2"),
        ("a~=1.4.5", "a>=1.5"),
        ("a==1.*", "a==2.*"),
        ("a==1.*", "a<1.dev0"),
        ("a==1", "a!=1"),
        ("a==1", "a!=1.*"),
        ("a==2.*", "a!=2.*"),
        ("a~=2.1", "a!=2.*"),
        ("a>=2.1,<2.9", "a!=2.*"),
        ("a==2.1.*", "a!=2.*"),
        ("a==1!2.*", "a!=1!2.*"),
        ("a===1.0", "a==2"),
        ("a==1!1", "a<2"),
        ("a==2.0rc1", "a<2.0"),
        ("a===anything", "a==1.*"),
        ("a==1+cpu", "a==1+cu124"),
        ("a==2.0rc1", "a>=2"),
    ],
)
def test_a_contradiction_is_found(packages: tuple[str, ...]) -> None:
    (message,) = contradictions.problems(packages)
    assert message.startswith("no version of ")


@pytest.mark.parametrize(
    "packages",
    [
        ("a==1", "b==2"),
        ("a", "a==1"),
        ("a==1", "a==1.0.0"),
        ("a==1", "a==1+cpu"),
        ("a>=1,<=1",),
        ("a>=1", "a<2"),
        ("a>=1,!=1",),
        ("a==2.*", "a!=2.1.*"),
        ("a>=2", "a!=2.*"),
        ("a>=2,<=3", "a!=2.*"),
        ("a==1!2.*", "a!=2.*"),
        ("a==2.*", "a!=1.*"),
        ("a==1.5.post1", "a~=1.5"),
        ("a~=1.4", "a<2"),
        ("a==1.*", "a>=1.9"),
        ("a==1; python_version < '3.10'", "a==2; python_version >= '3.10'"),
        ("a==1", "a==2; sys_platform == 'win32'"),
        ("a==1", "a @ https://example.com/a-2.whl"),
        ("./x", "a==1"),
    ],
)
def test_what_may_fit_is_no_contradiction(packages: tuple[str, ...]) -> None:
    assert contradictions.problems(packages) == ()


def test_each_message_names_every_requirement_of_the_package() -> None:
    found = contradictions.problems(("numpy==1.26.4", "b==1,==2", "numpy==2.0.0", "numpy<1"))
    listed = "`numpy==1.26.4`, `numpy==2.0.0`, `numpy<1`"
    assert found == (
        f"no version of numpy meets all of {listed}; remove all but one",
        "no version of b meets `b==1,==2`; write one version or range",
    )
