"""`make bench-serving`: our server against common ones, with the same model.

The servers alternate, each time in a new container, on all processors; wrk sends requests over 8
connections from a container beside them. Rows: requests per second, p99, time until the first
`/ping` 200 beyond that of an empty container, and the size of the image.
"""

from __future__ import annotations

import base64
import http.client
import io
import statistics
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from load import CONNECTIONS, ROOT, Load, Request, ask, build, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
OURS = "sklearn:1.7.2-cpu-py311"
RIVALS = ("classic", "toolkit")
ROUNDS, SECONDS = 3, 8
ROW = Request(body="5.1,3.5,1.4,0.2\n")
TRAIN = """
import base64, joblib, numpy
from sklearn.tree import DecisionTreeClassifier
rows = numpy.loadtxt("/tmp/iris.csv", delimiter=",")
tree = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0).fit(rows[:, 1:], rows[:, 0])
joblib.dump(tree, "/tmp/model.joblib")
print(base64.b64encode(open("/tmp/model.joblib", "rb").read()).decode())
"""
LOAD = """
import time; start = time.perf_counter()
import sklearn.tree, joblib; joblib.load("/opt/ml/model/model.joblib")
print(time.perf_counter() - start)
"""


def main() -> None:
    engine = docker.from_env()
    run(BUILDKIT, "build", "sklearn-1.7.2-cpu-py311")
    images = {"buildkit": OURS, **{name: build(name) for name in RIVALS}}
    bench = Bench(engine, trained(engine))
    loads: dict[str, list[Load]] = {name: [] for name in images}
    starts: dict[str, list[float]] = {name: [] for name in images}
    for _ in range(ROUNDS):
        for name, image in images.items():
            with bench.serving(image) as (server, seconds):
                starts[name].append(seconds - bench.empty(image))
                found = ask(engine, str(server.id), ROW, connections=CONNECTIONS, seconds=SECONDS)
                if found.failed:
                    sys.exit(f"{found.failed} requests failed:\n{server.logs().decode()[-2000:]}")
            loads[name].append(found)
            print(f"{name}: {found}", file=sys.stderr, flush=True)
    print(f"{'':10}{'req/s':>8}{'p99 ms':>8}{'start s':>9}{'MB':>7}")
    for name, image in images.items():
        rate = statistics.median(each.rate for each in loads[name])
        p99 = statistics.median(each.p99 for each in loads[name])
        start = statistics.median(starts[name])
        size = engine.images.get(image).attrs["Size"] / 1e6
        print(f"{name:10}{rate:8.0f}{p99:8.2f}{start:9.2f}{size:7.0f}")
    bare = bench.bare(OURS)
    ours = statistics.median(starts["buildkit"])
    print(f"start / import and load in bare Python: {ours:.2f} / {bare:.2f} = {ours / bare:.2f}")


class Bench:
    def __init__(self, engine: docker.DockerClient, model: bytes) -> None:
        self._engine, self._model = engine, model

    @contextmanager
    def serving(self, image: str) -> Iterator[tuple[Container, float]]:
        """A server, and the seconds from its start to its first /ping 200."""
        server = self._engine.containers.create(image, "serve", ports={"8080/tcp": None})
        try:
            self._put_model(server)
            began = time.perf_counter()
            server.start()
            server.reload()
            port = int(server.ports["8080/tcp"][0]["HostPort"])
            while not healthy(port):
                if time.perf_counter() - began > 120:  # noqa: PLR2004
                    sys.exit(f"{image} did not become healthy:\n{server.logs().decode()[-2000:]}")
                time.sleep(0.02)
            yield server, time.perf_counter() - began
        finally:
            server.remove(force=True)

    def empty(self, image: str) -> float:
        """Seconds until a container that does nothing has started and ended, its port too."""
        container = self._engine.containers.create(image, "true", ports={"8080/tcp": None})
        try:
            began = time.perf_counter()
            container.start()
            container.wait()
            return time.perf_counter() - began
        finally:
            container.remove(force=True)

    def bare(self, image: str) -> float:
        """Seconds of bare Python in the image for importing the framework and loading the model."""
        found = []
        for _ in range(2 * ROUNDS):
            container = self._engine.containers.create(image, ["python", "-c", LOAD])
            self._put_model(container)
            container.start()
            container.wait()
            found.append(float(container.logs()))
            container.remove()
        return statistics.median(found)

    def _put_model(self, container: Container) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo("ml/model/model.joblib")
            info.size = len(self._model)
            archive.addfile(info, io.BytesIO(self._model))
        container.put_archive("/opt", buffer.getvalue())


def trained(engine: docker.DockerClient) -> bytes:
    """A small decision tree on irises, of the scikit-learn that all of the images have."""
    rows = next((ROOT / "examples/iris/training").glob("*.csv")).read_text()
    program = f"open('/tmp/iris.csv', 'w').write({rows!r}){TRAIN}"
    output = engine.containers.run(OURS, ["python", "-c", program], remove=True)
    return base64.b64decode(output)


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
