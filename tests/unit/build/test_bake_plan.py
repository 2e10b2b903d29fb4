from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from buildkit.build import bake_plan
from buildkit.config import substitution
from buildkit.config.network import Network
from buildkit.model.target import Rendered
from tests.support.projects import MINIMAL, target

INPUTS = bake_plan.Inputs(runtime=Path("/runtime"), nothing=Path("/nothing"))


def only(rendered: Rendered, inputs: bake_plan.Inputs = INPUTS) -> dict[str, object]:
    (name,) = bake_plan.make([rendered], inputs).names.values()
    found: dict[str, object] = bake_plan.make([rendered], inputs).document["target"][name]
    return found


def test_a_target_is_written_out_whole() -> None:
    rendered = Rendered(target=target(), dockerfile="FROM python:3.11-slim\n")
    inputs = bake_plan.Inputs(
        runtime=Path("/runtime"),
        nothing=Path("/nothing"),
        network=Network(
            substitutes=substitution.parse(["python:*=m.example/python:*"]), wheels=Path("/wheels")
        ),
        secrets=(("pip.conf", Path("/secret/pip.conf")),),
    )
    assert only(rendered, inputs) == {
        "context": "/nothing",
        "dockerfile-inline": "FROM python:3.11-slim\n",
        "contexts": {
            "runtime": "/runtime",
            "wheels": "/wheels",
            "python:3.11-slim": "docker-image://m.example/python:3.11-slim",
        },
        "platforms": ["linux/amd64"],
        "tags": ["demo:1.0-cpu-py311"],
        "secret": ["id=pip.conf,src=/secret/pip.conf"],
        "output": ["type=image,oci-mediatypes=false,compression=gzip,force-compression=true"],
    }


def test_the_image_of_cuda_compat_is_substituted_as_bases_are() -> None:
    keys = 'devices = ["gpu"]\ncuda-compat = "nvidia/cuda:12.9.1-base"\n'
    rendered = Rendered(target=target(MINIMAL + keys), dockerfile="FROM python:3.11-slim\n")
    assert only(rendered)["contexts"] == {"runtime": "/runtime"}
    rules = substitution.parse(["nvidia/*=m.example/nvidia/*"])
    inputs = dataclasses.replace(INPUTS, network=Network(substitutes=rules))
    assert only(rendered, inputs)["contexts"] == {
        "runtime": "/runtime",
        "nvidia/cuda:12.9.1-base": "docker-image://m.example/nvidia/cuda:12.9.1-base",
    }
    assert bake_plan.make([rendered], inputs).libraries == {"m.example/nvidia/cuda:12.9.1-base"}


def test_a_secret_may_lie_in_a_folder_with_a_comma() -> None:
    rendered = Rendered(target=target(), dockerfile="FROM scratch\n")
    inputs = dataclasses.replace(INPUTS, secrets=(("ca-bundle", Path('/a,b "c"/ca.crt')),))
    assert only(rendered, inputs)["secret"] == ['id=ca-bundle,"src=/a,b ""c""/ca.crt"']


def test_bake_interpolates_nothing_of_ours() -> None:
    rendered = Rendered(target=target(), dockerfile="RUN echo ${HOME} %{if} $PATH\n")
    assert only(rendered)["dockerfile-inline"] == "RUN echo $${HOME} %%{if} $PATH\n"


def test_ids_that_look_alike_in_bake_keep_names_of_their_own() -> None:
    rendered = [
        Rendered(target=target(MINIMAL.replace("1.0", version)), dockerfile="FROM scratch\n")
        for version in ("1.0", "1_0", "1+0")
    ]
    made = bake_plan.make(rendered, INPUTS)
    assert len(set(made.names.values())) == 3
    assert json.loads(json.dumps(made.document)) == made.document


def test_a_lock_comes_from_its_folder() -> None:
    rendered = Rendered(target=target(), dockerfile="FROM scratch\n")
    inputs = dataclasses.replace(INPUTS, locks={rendered.target.id: Path("/locks/0")})
    assert only(rendered, inputs)["contexts"] == {"runtime": "/runtime", "lock": "/locks/0"}


def test_mirrors_of_indexes_are_a_secret_of_their_target_alone() -> None:
    rendered = Rendered(target=target(), dockerfile="FROM scratch\n")
    inputs = dataclasses.replace(
        INPUTS, indexes={rendered.target.id: Path("/secret/0"), "another": Path("/secret/1")}
    )
    assert only(rendered, inputs)["secret"] == ["id=indexes,src=/secret/0"]


OWN = """\
FROM node:20 AS web
FROM python:3.11-slim AS runtime
LABEL org.opencontainers.image.version="its own"
COPY --from=web /x /x
COPY --from=tools:1 /y /y
FROM other:1 AS debug
LABEL org.opencontainers.image.title="of another stage"
"""


def test_a_dockerfile_of_one_s_own_is_named_and_nothing_replaces_its_stages(
    tmp_path: Path,
) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(OWN)
    (tmp_path / "link").symlink_to(file)
    own = dataclasses.replace(
        target(),
        template="",
        dockerfile=str(tmp_path / "link"),
        stage="runtime",
        context="/context",
        args=(("JOBS", "${n}"),),
        labels=(("team", "a"),),
    )
    rules = ("python:*=m.example/python:*", "node:*=m.example/node:*", "tools:1=m.example/tools:1")
    inputs = dataclasses.replace(
        INPUTS,
        network=Network(
            substitutes=substitution.parse((*rules, "other:*=m.example/other:*")), wheels=Path("/w")
        ),
        bases={"python:3.11-slim": "sha256:1"},
    )
    assert only(Rendered(target=own, dockerfile=OWN), inputs) == {
        "context": "/context",
        "dockerfile": str(file),
        "target": "runtime",
        "args": {"JOBS": "$${n}"},
        "labels": {
            "org.opencontainers.image.title": "demo",
            "buildkit.target": "demo-1.0-cpu-py311",
            "team": "a",
        },
        "contexts": {
            "node:20": "docker-image://m.example/node:20",
            "python:3.11-slim": "docker-image://m.example/python:3.11-slim@sha256:1",
            "tools:1": "docker-image://m.example/tools:1",
        },
        "platforms": ["linux/amd64"],
        "tags": ["demo:1.0-cpu-py311"],
        "secret": [],
        "output": ["type=image,oci-mediatypes=false,compression=gzip,force-compression=true"],
    }


def test_an_image_is_replaced_by_the_name_that_buildkit_looks_for() -> None:
    names = ("docker.io/library/python:3.11", "python:latest", "index.docker.io/a/b", "q.io/a/b")
    for name, key in zip(names, ("python:3.11", "python", "a/b", "q.io/a/b"), strict=True):
        own = dataclasses.replace(target(), template="", dockerfile="Dockerfile", base=name)
        inputs = dataclasses.replace(INPUTS, bases={name: "sha256:1"})
        found = only(Rendered(target=own, dockerfile=f"FROM {name}\n"), inputs)
        assert found["contexts"] == {key: f"docker-image://{name}@sha256:1"}
