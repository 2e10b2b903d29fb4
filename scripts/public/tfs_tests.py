"""AWS's own tests of their TensorFlow Serving container, on our `tensorflow-inference` image.

    scripts/public/tfs_tests.py [--from REPOSITORY] [--image IMAGE] [--keep FOLDER] [NAME…]

Each run takes the tests from their repository, or from a clone of it, and runs them as they are.
They start containers by `docker` with bind mounts and on port 8080 of this machine; here their
`docker` commands get names and a port of their own, and volumes that are filled through the API.
With names, only test files that have one of them in theirs; `--keep` leaves the servers' logs.

WORDS are ours for what their tests compare word by word. A test that fails is a fault of the image
unless DIFFERENT says why it has to be otherwise; so is one that passes although that says so.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from public_code import BrokenError, Clone, require, run, with_pip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUBLISHED = "https://github.com/aws/sagemaker-tensorflow-serving-container"
IMAGE = "tensorflow-inference:2.20.0-cpu-py311"
TESTS = "test/integration/local"
THEIR_NAME = "sagemaker-tensorflow-serving-test"
THEIR_ADDRESS = "http://localhost:8080"
OURS = f"buildkit-tfs-{os.getpid()}"
SECONDS = 120
NO_PILLOW = "RUN pip uninstall --yes pillow"
"""To their tests it is the sign of what was installed; today it comes with TensorFlow itself."""

LINES = (
    "not run: waits for lines that nginx prints, or TensorFlow Serving's program: here is neither"
)
SPACES = "compares line breaks and spaces of TensorFlow Serving's JSON"
MODELS = 'SageMaker\'s pages want {"models": [...]} of GET /models (MME-03), theirs is by name'
LOADING = "SageMaker's pages leave open how a model that cannot be loaded is refused: here 500"
DIFFERENT = {
    "test_nginx_config.py::*": LINES,
    "test_tfs_batching.py::*": LINES,
    "test_container.py::test_predict_with_jsonlines*": SPACES,
    "test_container.py::test_predict_with_multiple_accept_types*": SPACES,
    "test_multi_model_endpoint.py::test_list_models_empty": MODELS,
    "test_multi_model_endpoint.py::test_load_two_models": f"as far as the list: {MODELS}",
    "test_multi_model_endpoint.py::test_load_non_existing_model": LOADING,
    "test_multi_model_endpoint.py::test_invalid_model_version": LOADING,
    "test_multi_model_endpoint.py::test_bad_model_reqeust": "400, not 500, is the client's mistake",
}
"""Why a test fails on an image that does as AWS's pages say, by a pattern of its name."""

NO_FLOAT = (
    r"Failed to process element: 0 of 'instances' list. Error: Invalid argument:"
    r' JSON Value: \\"][\\" Type: String is not of expected type: float'
)
WORDS = (
    (r"Cannot convert \['\]\['\] to EagerTensor of dtype float", NO_FLOAT),
    (r"^model (\S+) is not loaded$", r'{"error": "Model \1 is not loaded yet."}'),
    (r"^model (\S+) is already loaded$", r'{"error": "Model \1 is already loaded."}'),
    (r'^{"modelName": "(\S+)", "modelUrl": "\S+"}$', r"Successfully loaded model \1,"),
    (
        r'"the model\'s inputs are x, not junk"',
        "\"Failed to process element: 0 key: junk of 'instances' list.\"",
    ),
)
"""What their tests compare word by word: our words, and theirs for the same."""


class Stage:
    """A plugin of pytest: what their tests call is led to where our containers are."""

    def __init__(self, image: str, keep: Path) -> None:
        self.image, self.keep = image, keep
        self.results: dict[str, str] = {}
        self.reworded: set[str] = set()

    @contextmanager
    def translating(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "check_call", self.check_call(subprocess.check_call))
            patch.setattr(subprocess, "Popen", self.popen(subprocess.Popen))
            patch.setattr(requests.Session, "request", self.request(requests.Session.request))
            yield

    def check_call(self, original: Callable[..., int]) -> Callable[..., int]:
        def translated(command: list[str], *arguments: Any, **options: Any) -> int:
            if command[:3] != ["docker", "volume", "create"]:
                return original(self.words(command), *arguments, **options)
            name = f"{OURS}-{command[command.index('--name') + 1]}"
            (folder,) = (word.partition("=")[2] for word in command if word.startswith("device="))
            run("docker", "volume", "create", name)
            self.fill(name, folder)
            return 0

        return translated

    def fill(self, volume: str, folder: str) -> None:
        filler = f"{OURS}-filler"
        run("docker", "create", "--name", filler, "-v", f"{volume}:/filled", self.image)
        try:
            run("docker", "cp", f"{folder}/.", f"{filler}:/filled")
        finally:
            run("docker", "rm", filler)

    def popen(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def translated(command: list[str], *arguments: Any, **options: Any) -> Any:
            if command[:2] != ["docker", "run"]:
                return original(command, *arguments, **options)
            if options.get("stdout") is sys.stdout:
                options["stdout"] = (self.keep / "server.log").open("ab")
            return original([*self.words(command[:-2]), self.image, "serve"], *arguments, **options)

        return translated

    def words(self, command: list[str]) -> list[str]:
        """A command of theirs with our names in it."""
        names = {THEIR_NAME: OURS, "8080:8080": "127.0.0.1::8080"}
        if command[1] == "volume":
            names[command[-1]] = f"{OURS}-{command[-1]}"
        return [names.get(word, word).replace("source=", f"source={OURS}-") for word in command]

    def request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def translated(session: Any, method: str, url: str, **options: Any) -> Any:
            port = run("docker", "port", OURS, "8080/tcp").decode().split()[0]
            url = url.replace(THEIR_ADDRESS, f"http://{port}")
            response = original(session, method, url, **options)
            for ours, theirs in WORDS:
                body, count = re.subn(ours, theirs, response.text)
                if count:
                    response._content = body.encode()  # noqa: SLF001
                    self.reworded.add(os.environ["PYTEST_CURRENT_TEST"].split()[0])
            return response

        return translated

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in list(items):
            if reason(item.nodeid) == LINES:
                self.results[item.nodeid] = "differs"
                items.remove(item)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            first = "" if crash is None else crash.message.splitlines()[0]
            self.results[report.nodeid] = "ok" if report.passed else f"FAILED {first}"

    def summarize(self) -> int:
        """Print a line for each test; the number of those that surprise."""
        counts: Counter[str] = Counter()
        for test, result in self.results.items():
            word, _, why = result.partition(" ")
            if known := reason(test):
                word, why = ("SURPRISE" if word == "ok" else "differs"), known
            elif word == "ok" and test in self.reworded:
                why = "in other words"
            counts[word] += 1
            print(f"{word:<9} {test.removeprefix(f'{TESTS}/')}" + (f": {why[:300]}" if why else ""))
        print(", ".join(f"{number} {word}" for word, number in counts.items()))
        return counts["FAILED"] + counts["SURPRISE"]


def reason(test: str) -> str:
    """Why a test is to fail, if it is."""
    return next((why for of, why in DIFFERENT.items() if fnmatchcase(test, f"{TESTS}/{of}")), "")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run AWS's tests of their serving container.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="of test files, a part")
    parser.add_argument("--from", dest="source", type=Path, help="a clone, bare or not")
    parser.add_argument("--image", default=IMAGE)
    parser.add_argument("--keep", type=Path, help="a folder for logs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        keep = options.keep or scratch
        keep.mkdir(parents=True, exist_ok=True)
        try:
            require(options.image)
            clone = Clone.of(PUBLISHED, options.source and options.source.absolute(), scratch)
            clone.export("test", scratch / "test")
            with_pip(
                options.image, f"{OURS}:with-pip", scratch / "pip", keep / "build.log", NO_PILLOW
            )
        except BrokenError as error:
            print(error)
            return 1
        stage = Stage(f"{OURS}:with-pip", keep.absolute())
        chosen = [
            str(path.relative_to(scratch))
            for path in sorted((scratch / TESTS).glob("test_*.py"))
            if not options.names or any(part in path.name for part in options.names)
        ]
        os.chdir(scratch)  # their paths are relative
        arguments = ["--framework-version=any", f"--timeout={SECONDS}", "--tb=short", "-qq"]
        arguments += ["--disable-warnings", "--show-capture=no", "-p", "no:cacheprovider"]
        try:
            with stage.translating():
                pytest.main([*arguments, *chosen], plugins=[stage])
        finally:
            run("docker", "image", "rm", f"{OURS}:with-pip")
    return 1 if stage.summarize() or not stage.results else 0


if __name__ == "__main__":
    sys.exit(main())
