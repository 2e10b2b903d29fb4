"""Multi-model servers: the model folders that SageMaker manages, and requests on models."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from buildkit.contract.archive import Archive
from buildkit.contract.checks import Broken, Unseen
from buildkit.contract.comparison import document
from buildkit.contract.engine import Mount, Start
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import request_headers
from buildkit.contract.scenario import Bench, Scenario, scenario
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.engine import Container
    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.model.target import Payload

ROOT = "/opt/ml/models"
FIRST = "5f1c7e0a9b3d4826a7c1e4f09d2b8365f1c7e0a9b3d4826a7c1e4f09d2b8365c"
SECOND = "c93a0d7714e6b2f58a1097d3e6c4b582c93a0d7714e6b2f58a1097d3e6c4b581"
BAD = "0e8b64d29f7a4c13b5d8e2701f9a6c340e8b64d29f7a4c13b5d8e2701f9a6c3d"
UNKNOWN = "77d1f0b4c2a94e6e8d3b5a1c0f7e9264"
HEAVY = tuple(f"a4e17c9{number}b3d2f658" for number in range(6))
"""Names are opaque to a server (MME-02). HEAVY are all one folder."""
BALLAST = 200 * 1024**2
"""Bytes added to a heavy model. Many servers read only the files that they know."""
MEMORY = 1024**3
"""Memory of a server that is filled up: less than the heavy models need."""
LOAD_SECONDS = 360
MOST_PAGES = 20
START = Start(
    command=("serve",), environment={"SAGEMAKER_MULTI_MODEL": "true"}, ports=(starting.PORT,)
)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A multi-model server, and a container that can write to the model folders."""

    bench: Bench
    serving: Serving
    volume: str
    keeper: Container

    def vanish(self, name: str) -> None:
        """Remove a model's files: a file replaces its folder, then an empty folder the file."""
        file, folder = Archive(), Archive()
        file.file(name, b"")
        folder.folder(name)
        for archive in (file, folder):
            self.keeper.put(ROOT, archive.chunks())

    def put_back(self, name: str) -> None:
        _fill(self.bench, self.keeper, (name,))


@contextmanager
def shelf(
    bench: Bench, *, heavy: bool = False, memory: int | None = None, writable: bool = False
) -> Iterator[Shelf]:
    """A server with two models, one that cannot be loaded, and heavy ones on request.

    Raises Unseen without a model.
    """
    with ExitStack() as stack:
        volume = stack.enter_context(bench.engine.volume())
        mount = Mount(volume=volume, path=ROOT)
        keeper = stack.enter_context(
            bench.engine.container(bench.subject.image, Start(command=("serve",), mounts=(mount,)))
        )
        _fill(bench, keeper, (FIRST, SECOND, HEAVY[0]) if heavy else (FIRST, SECOND))
        archive = Archive()
        archive.folder(BAD)
        archive.folder(f"{BAD}/model")
        if heavy:
            archive.file(f"{HEAVY[0]}/model/ballast.bin", bytes(BALLAST))
            for name in HEAVY[1:]:
                archive.link(name, HEAVY[0])
        keeper.put(ROOT, archive.chunks())
        start = Start(
            command=START.command,
            environment=START.environment,
            ports=START.ports,
            mounts=(Mount(volume=volume, path=ROOT, read_only=not writable),),
            memory=memory,
        )
        serving = stack.enter_context(starting.started(bench, start))
        yield Shelf(bench=bench, serving=serving, volume=volume, keeper=keeper)


def of(title: str, *, heavy: bool = False, memory: int | None = None) -> Scenario[Shelf]:
    """A scenario of one such server. A heavy one runs alone: its checks measure times."""

    @scenario(title, Purpose.INFERENCE, alone=heavy)
    def stage(bench: Bench) -> Iterator[Shelf]:
        with shelf(bench, heavy=heavy, memory=memory) as found:
            yield found

    return stage


def _fill(bench: Bench, keeper: Container, names: tuple[str, ...]) -> None:
    """Copy the model to the folders of `names`."""
    source = starting.model(bench)
    if source is None:
        raise Unseen("the samples have no model to load")
    mount = Mount(volume=source, path=starting.MODEL, read_only=True)
    start = Start(command=("serve",), mounts=(mount,))
    with bench.engine.container(bench.subject.image, start) as holder:
        for name in names:
            archive = Archive()
            archive.folder(name)
            keeper.put(ROOT, archive.chunks())
            model = holder.get(starting.MODEL)
            if model is not None:
                keeper.put(f"{ROOT}/{name}", model)


def url(name: str) -> str:
    return f"{ROOT}/{name}/model"


def _target(name: str) -> dict[str, str]:
    return {"X-Amzn-SageMaker-Target-Model": f"{name[:6]}.tar.gz"}


def load(serving: Serving, name: str) -> Answer:
    return serving.client.ask(
        "POST",
        "/models",
        seconds=LOAD_SECONDS,
        body=json.dumps({"model_name": name, "url": url(name)}).encode(),
        headers={"Content-Type": "application/json", **_target(name)},
    )


def unload(serving: Serving, name: str) -> Answer:
    return serving.client.ask("DELETE", f"/models/{name}", seconds=LOAD_SECONDS)


def get(serving: Serving, name: str) -> Answer:
    return serving.client.ask("GET", f"/models/{name}")


def invoke(serving: Serving, name: str, payload: Payload) -> Answer:
    return serving.client.ask(
        "POST",
        f"/models/{name}/invoke",
        body=Path(payload.body).read_bytes(),
        headers={**request_headers(payload), **_target(name)},
    )


def need_loaded(serving: Serving, *names: str) -> None:
    """Load models that are not loaded yet. Raises Unseen if one cannot be loaded."""
    serving.need_health()
    for name in names:
        answer = load(serving, name)
        if answer.status not in (OK, 409):
            raise Unseen("a model cannot be loaded", f": POST /models answered {answer.shown()}")


def listed(serving: Serving) -> dict[str, object]:
    """The URL of each loaded model by its name, from all pages. Raises Broken."""
    found: dict[str, object] = {}
    query = ""
    for _ in range(MOST_PAGES):
        answer = serving.client.ask("GET", f"/models{query}")
        models, token = page(answer)
        found |= models
        if not token:
            return found
        query = f"?next_page_token={quote(token)}"
    raise Broken(f"GET /models still has a nextPageToken after {MOST_PAGES} pages")


def page(answer: Answer) -> tuple[dict[str, object], str]:
    """The models of one page and the token of the next one, empty at the end. Raises Broken."""
    said = f"GET /models answered {answer.shown()}"
    found = read(answer, said)
    models = found.get("models") if isinstance(found, dict) else None
    if not isinstance(models, list):
        raise Broken(f'{said}, which has no list "models"')
    for each in models:
        if not isinstance(each, dict) or not isinstance(each.get("modelName"), str):
            raise Broken(f"{said}: a model has no modelName")
    assert isinstance(found, dict)
    token = found.get("nextPageToken")
    return {each["modelName"]: each.get("modelUrl") for each in models}, str(token or "")


def read(answer: Answer, said: str) -> object:
    """The JSON of a good answer. Raises Broken."""
    if answer.status != OK:
        raise Broken(said)
    found = document(answer.body)
    if found is None:
        raise Broken(f"{said}, which is not JSON")
    return found[0]
