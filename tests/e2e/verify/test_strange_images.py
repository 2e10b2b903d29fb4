"""Images that are odd, dead or only wait for samples: none ends a test without a verdict."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from buildkit.engine import engine
from buildkit.model.image import Status
from tests.e2e.mutants import factory
from tests.support.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkit.model.image import Report
    from tests.e2e.support.real import Local

TRAIN = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("loss=0.5", flush=True)
os.makedirs("/opt/ml/model", exist_ok=True)
open("/opt/ml/model/model.txt", "w").write("1")
"""
SERVE = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.answer(200, b"")
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, b"1")
    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
NO_DATA = """
import os, sys
os.makedirs("/opt/ml/output", exist_ok=True)
open("/opt/ml/output/failure", "w").write("there is no data")
sys.exit("there is no data")
"""
NEVER = "import time\nprint('loading', flush=True)\ntime.sleep(10**6)\n"
CONFIGURED = SERVE.replace(
    'self.answer(200, b"1")',
    "fine = self.headers.get('X-Amzn-SageMaker-Custom-Attributes') == 'accept_eula=true'\n"
    "        self.answer(200 if fine else 403, name.encode())",
).replace("import http", "import os\nname = os.environ['MODEL_NAME']\nimport http", 1)
AFTER = "\nimport shutil\nshutil.rmtree('/opt/ml/model')\n"


@dataclass(frozen=True, kw_only=True)
class Strange:
    """What its Dockerfile says besides, its programs, and the clauses that must object to it."""

    dockerfile: str = ""
    train: str = TRAIN
    serve: str = SERVE
    clauses: tuple[str, ...] = ()


STRANGE = {
    "plain": Strange(),
    "model-is-a-link": Strange(
        dockerfile="RUN mkdir -p /opt/ml /data && ln -s /data /opt/ml/model", clauses=("OUT-03",)
    ),
    "model-is-a-pipe": Strange(
        dockerfile="RUN mkdir -p /opt/ml && mkfifo /opt/ml/model", clauses=("OUT-03",)
    ),
    "train-removes-the-model": Strange(train=f"{TRAIN}{AFTER}", clauses=("OUT-03",)),
    "train-links-the-output": Strange(
        train=f"{TRAIN}\nimport shutil\nshutil.rmtree('/opt/ml/output')\n"
        "os.symlink('/etc', '/opt/ml/output')\n"
    ),
    "ml-is-a-file": Strange(dockerfile="RUN date > /opt/ml", clauses=("IMG-06",)),
    "failure-is-a-link": Strange(
        dockerfile="RUN mkdir -p /opt/ml/output && ln -s /etc/shadow /opt/ml/output/failure",
        clauses=("IMG-06",),
    ),
    "tmp-is-missing": Strange(dockerfile="RUN rm -rf /tmp"),
    "workdir-is-a-file": Strange(
        dockerfile="WORKDIR /work\nRUN cd / && rmdir /work && date > /work", clauses=("RUN-01",)
    ),
    "user-is-unknown": Strange(dockerfile="USER nobody-knows", clauses=("IMG-05", "RUN-01")),
    "folders-cannot-be-read": Strange(
        dockerfile="RUN mkdir -p /opt/ml/code && chmod 000 /opt/ml/code /opt/ml"
    ),
}
MORE = {
    "model-is-a-circle": Strange(
        dockerfile="RUN mkdir -p /opt/ml && ln -s model /opt/ml/model", clauses=("OUT-03",)
    ),
    "train-links-the-model": Strange(
        train=f"{TRAIN}{AFTER}os.makedirs('/data')\nos.symlink('/data', '/opt/ml/model')\n",
        clauses=("OUT-03",),
    ),
    "failure-is-a-folder": Strange(train=f"{TRAIN}\nos.makedirs('/opt/ml/output/failure')\n"),
    "input-is-a-link": Strange(
        dockerfile="RUN mkdir -p /opt/ml /data && ln -s /data /opt/ml/input", clauses=("IMG-06",)
    ),
    "sh-is-a-circle": Strange(dockerfile="RUN rm /bin/sh && ln -s sh /bin/sh"),
    "passwd-is-garbage": Strange(dockerfile=r"RUN printf 'root:x:abc\n\377' > /etc/passwd"),
    "entrypoint-is-a-folder": Strange(dockerfile='ENTRYPOINT ["/etc"]', clauses=("RUN-01",)),
    "model-is-a-link-to-nothing": Strange(
        dockerfile="RUN mkdir -p /opt/ml && ln -s /nowhere /opt/ml/model", clauses=("OUT-03",)
    ),
    "model-is-a-file": Strange(
        dockerfile="RUN mkdir -p /opt/ml && date > /opt/ml/model", clauses=("OUT-03",)
    ),
    "train-links-the-model-to-itself": Strange(
        train=f"{TRAIN}{AFTER}os.symlink('model', '/opt/ml/model')\n", clauses=("OUT-03",)
    ),
    "train-makes-the-model-a-file": Strange(
        train=f"{TRAIN}{AFTER}open('/opt/ml/model', 'w').write('1')\n", clauses=("OUT-03",)
    ),
    "ml-is-a-link": Strange(
        dockerfile="RUN mkdir /data && ln -s /data /opt/ml", clauses=("IMG-06",)
    ),
    "input-is-a-circle": Strange(
        dockerfile="RUN mkdir -p /opt/ml && ln -s input /opt/ml/input", clauses=("IMG-06",)
    ),
    "ml-is-a-circle": Strange(dockerfile="RUN ln -s ml /opt/ml", clauses=("IMG-06",)),
    "opt-is-a-file": Strange(dockerfile="RUN rm -rf /opt && date > /opt", clauses=("IMG-06",)),
    "tmp-is-a-file": Strange(dockerfile="RUN rm -rf /tmp && date > /tmp"),
    "passwd-is-a-folder": Strange(
        dockerfile="RUN rm /etc/passwd && mkdir /etc/passwd", clauses=("RUN-01",)
    ),
    "user-is-a-huge-number": Strange(dockerfile="USER 4294967294", clauses=("IMG-05", "RUN-01")),
    "stop-signal-is-odd": Strange(dockerfile="STOPSIGNAL 64", clauses=("RUN-09",)),
    "is-never-healthy-by-docker": Strange(
        dockerfile="HEALTHCHECK --interval=1s --retries=1 CMD exit 1"
    ),
    "labels-are-huge": Strange(
        dockerfile="\n".join(f"LABEL l{number}={'x' * 60_000}" for number in range(4))
    ),
}
"""Others of these kinds."""
if THOROUGH:
    STRANGE |= MORE
DEAD = {
    "dead": Strange(train=NO_DATA, serve=NEVER),
    "configured": Strange(serve=CONFIGURED),
}


def programs(folder: Path, train: str, serve: str) -> None:
    folder.mkdir()
    for word, program in (("train", train), ("serve", serve)):
        (folder / word).write_text(f"#!/usr/local/bin/python3\n{program}")
        (folder / word).chmod(0o755)


@pytest.fixture(scope="module")
def images(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("strange")
    folders = {}
    for name, strange in {**STRANGE, **DEAD}.items():
        programs(folder / name, strange.train, strange.serve)
        (folder / name / "Dockerfile").write_text(
            "FROM python:3.11-slim-bookworm\n"
            "COPY --chmod=755 train serve /usr/local/bin/\n"
            f"{strange.dockerfile}\n"
        )
        folders[f"buildkit-strange-{name}:1"] = folder / name
    names = sorted(folders)
    for first in range(0, len(names), factory.IN_ONE_BUILD):
        chosen = names[first : first + factory.IN_ONE_BUILD]
        factory.bake({name: folders[name] for name in chosen}, bases=True)
    yield {path.name: image for image, path in folders.items()}
    factory.forget(folders)


BOTH = ("--purpose=training", "--purpose=inference")


@pytest.fixture(scope="module")
def reports(local: Local, images: dict[str, str]) -> dict[str, Report]:
    """By this process: forty more would cost more than the tests."""
    with engine.connect() as docker, ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda name: factory.smoke(images[name], docker), STRANGE)
        return dict(zip(STRANGE, found, strict=True))


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_image_ends_in_a_verdict(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    failed = {each.id for each in report.clauses if each.status is Status.FAIL}
    assert {*STRANGE[name].clauses} <= failed, factory.objections(report)
    if not STRANGE[name].clauses:
        allowed = name in ("failure-is-a-folder", "train-links-the-output")
        assert allowed or not failed, factory.objections(report)


def test_an_image_that_waits_for_samples_is_not_judged(
    local: Local, images: dict[str, str], tmp_path: Path
) -> None:
    done = local.buildkit(
        "test", images["dead"], "--html=page.html", "--junit=junit.xml", folder=tmp_path
    )
    assert done.code == 8, done.stderr
    assert "not trained, not served: no samples" in done.stderr
    assert "--channel training=FOLDER --payload FILE:CONTENT-TYPE" in done.stderr
    assert "unjudged: " in done.stderr
    assert 'class="badge unjudged"' in (tmp_path / "page.html").read_text()
    suite = ET.fromstring((tmp_path / "junit.xml").read_text())
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")


def test_variables_and_headers_reach_a_server(
    local: Local, images: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "question.txt").write_text("why\n")
    given = (
        "--environment=MODEL_NAME=small",
        "--payload=question.txt:text/plain",
        "--header=X-Amzn-SageMaker-Custom-Attributes: accept_eula=true",
    )
    clauses = ("SERVE-03", "SERVE-06", "SERVE-09", "SERVE-10", "SERVE-12", "SERVE-18")
    chosen = [f"--clause={clause}" for clause in clauses]
    done = local.buildkit(
        "test", images["configured"], "--purpose=inference", "--json", *chosen, *given,
        folder=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    statuses = {each["id"]: each["status"] for each in done.json["clauses"]}
    assert statuses == dict.fromkeys(clauses, "pass")


def test_an_unchecked_clause_is_no_error_beside_others(
    local: Local, images: dict[str, str], tmp_path: Path
) -> None:
    chosen = ("--clause=DIST-09", "--clause=RUN-04", "--json")
    done = local.buildkit("test", images["plain"], *BOTH, *chosen, folder=tmp_path)
    assert done.code == 0, done.stderr
    assert {each["id"]: each["status"] for each in done.json["clauses"]} == {
        "DIST-09": "skip", "RUN-04": "pass",
    }  # fmt: skip
    done = local.buildkit("test", images["plain"], *BOTH, "--clause=DIST-09", folder=tmp_path)
    assert done.code == 2


TOML = """
[image.kept]
versions = ["1.0"]
base = "python:{python}-slim-bookworm"
template = "basic"
context = "own"

[image.kept.samples]
hyperparameters = { a = "1" }
metrics = { "train:loss" = "loss=([0-9.]+)" }
"""


def test_log_metrics_and_model_of_a_test_are_kept(local: Local, tmp_path: Path) -> None:
    only_trains = TOML.replace("[image.kept]", '[image.kept]\npurposes = ["training"]')
    (tmp_path / "images.toml").write_text(only_trains)
    programs(tmp_path / "own", TRAIN, SERVE)
    done = local.buildkit("build", "--all", folder=tmp_path)
    assert done.code == 0, done.stderr
    assert "passed " in done.stderr
    kept = tmp_path / "dist" / "kept-1.0-cpu-py311" / "test"
    assert (kept / "train.log").read_text() == "loss=0.5\n"
    assert (kept / "metrics.csv").read_text() == "metric,value\ntrain:loss,0.5\n"
    assert (kept / "model.tar.gz").stat().st_size > 0
    named = json.loads((kept.parent / "report.json").read_text())["report"]["kept"]
    assert named == [
        f"dist/kept-1.0-cpu-py311/test/{name}"
        for name in ("metrics.csv", "model.tar.gz", "train.log")
    ]


def test_a_target_without_samples_says_so_and_its_test_does_not_pass(
    local: Local, tmp_path: Path
) -> None:
    text: Any = TOML.partition("[image.kept.samples]")[0]
    (tmp_path / "images.toml").write_text(text)
    programs(tmp_path / "own", NO_DATA, NEVER)
    done = local.buildkit("build", "--all", folder=tmp_path)
    assert done.code == 0, done.stderr
    assert "clauses; not trained, not served: no samples" in done.stderr
    done = local.buildkit("test", "--all", "--profile=smoke", "--json", folder=tmp_path)
    assert done.code == 8, done.stderr
    (target,) = done.json["targets"]
    assert (target["status"], target["report"]["verdict"]) == ("unjudged", "unjudged")
    assert "`channels`" in target["error"]["hint"]
