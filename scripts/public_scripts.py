"""Other people's scripts in our images, unmodified: the public script-mode examples for SageMaker.

    scripts/public_scripts.py [--from REPOSITORY] [--keep FOLDER] [NAME…]

Each run takes the scripts from the examples' repository, or from a clone of it. A script comes to
its image as the SageMaker SDK brings it: a `sourcedir.tar.gz` in the channel `code` to train, the
same files in `code/` of the model to serve. It trains on data that scikit-learn comes with, cut to
the form that the script reads, and has to predict rows it has not seen better than a constant does.
With names, only these; `--keep` leaves what the containers said in a folder.

Some cannot run: `fails` is what they then say, and they are told with that. One that is to fail and
does not, or fails in another way, is a fault, too. The images have to be built.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests
from public_code import BrokenError, Clone, require, run, with_pip

PUBLISHED = "https://github.com/aws/amazon-sagemaker-examples"
OURS = "buildkit-public-script"
IMAGES = {
    "sklearn": "sklearn:1.7.2-cpu-py311",
    "xgboost": "xgboost:3.2.0-cpu-py311",
    "pytorch": "pytorch:2.13.0-cpu-py311",
}
SECONDS = 300
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
DATA = """
import gzip, json, pathlib
import numpy as np
import pandas as pd
from sklearn import datasets

root = pathlib.Path("/data")

def folder(*names):
    path = root.joinpath(*names)
    path.mkdir(parents=True, exist_ok=True)
    return path

def ask(case, kind, bodies, expected):
    found = {"type": kind, "bodies": list(bodies), "expected": [float(each) for each in expected]}
    (folder(case) / "requests.json").write_text(json.dumps(found))

def rows(values):
    return [",".join(map(str, row)) for row in values]

def halves(values, labels):
    unseen = np.arange(len(values)) % 5 == 0
    return values[~unseen], labels[~unseen], values[unseen], labels[unseen]

def table(path, values, labels, **options):
    pd.DataFrame(np.column_stack([labels, values])).to_csv(path, index=False, **options)

x, y, new_x, new_y = halves(*datasets.load_iris(return_X_y=True))
table(folder("iris", "train") / "iris.csv", x, y, header=False)
ask("iris", "text/csv", rows(new_x), new_y)

x, y = datasets.load_diabetes(return_X_y=True, scaled=True)
x, y = x / x.std(axis=0), (y - y.mean()) / y.std()
steps = pd.qcut(y, 15, labels=False)
a, b, c, d = halves(x, steps)
table(folder("steps", "train") / "train.csv", a, b)
table(folder("steps", "validation") / "newval.csv", c, d)
ask("steps", "text/csv", rows(c), d)

a, b, c, d = halves(x, y)
for name in ("diabetes", "diabetes-in-code"):
    parts = (name, "code", "data") if name.endswith("code") else (name,)
    times = 60 if name.endswith("code") else 1  # that script passes over its data only once
    for channel, values, labels in (
        ("train", np.tile(a, (times, 1)), np.tile(b, times)), ("test", c, d)
    ):
        np.save(folder(*parts, channel) / f"x_{channel}.npy", values[:, :8])
        np.save(folder(*parts, channel) / f"y_{channel}.npy", labels)
    ask(name, "application/json", [json.dumps([row[:8].tolist()]) for row in c], d)
table(folder("diabetes-table", "train") / "train.csv", a, b, header=False)
table(folder("diabetes-table", "test") / "test.csv", c, d, header=False)
ask("diabetes-table", "text/csv", rows(c), d)

a, b, c, d = halves(*datasets.load_breast_cancer(return_X_y=True))
for name, label in (("cancer", "fraud"), ("cancer-labels", "labels")):
    for channel, values, labels in (("train", a, b), ("test", c, d)):
        columns = [label, *map(str, range(values.shape[1]))]
        frame = pd.DataFrame(np.column_stack([labels, values]), columns=columns)
        frame.to_csv(folder(name, channel) / f"{channel}.csv", index=False)
ask("cancer", "text/csv", rows(c), d)
for channel, word, values, labels in (("train", "train", a, b), ("validation", "val", c, d)):
    path = folder("cancer-apart", channel)
    pd.DataFrame(values).to_csv(path / f"{word}_features.csv", index=False)
    pd.DataFrame(labels).to_csv(path / f"{word}_labels.csv", index=False)

images, labels = datasets.load_digits(return_X_y=True)
images = np.pad(np.kron(images.reshape(-1, 8, 8), np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
a, b, c, d = halves(images * 15, labels)
for channel, word, values, labels in (("training", "train", a, b), ("testing", "t10k", c, d)):
    path = folder("digits", channel)
    for name, head, array in ("images-idx3", 16, values), ("labels-idx1", 8, labels):
        with gzip.open(path / f"{word}-{name}-ubyte.gz", "wb") as file:
            file.write(bytes(head) + array.astype("uint8").tobytes())
c = (c - c.mean(axis=(1, 2), keepdims=True)) / c.std(axis=(1, 2), keepdims=True)
ask("digits", "application/json", [json.dumps({"inputs": [[row.tolist()]]}) for row in c[:40]], d)
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`files` are published ones, by their names in `source_dir`; a folder may be one."""

    image: str
    script: str
    data: str
    files: dict[str, str] = field(default_factory=dict)
    hyperparameters: dict[str, str] = field(default_factory=dict)
    unpacked: bool = False
    """The channel `code` holds the files themselves, as with the SDK's ModelTrainer."""
    requirements: str = ""
    serve: str = ""
    """The script that serves, if any does."""
    fails: str = ""


ARCHIVED = "archived/sagemaker-script-mode"
ABALONE = "build_and_train_models/sm-regression_xgboost"
SHADOW = "deploy_and_monitor/sm-shadow_variant_shadow_api/code"
TRAINER = "build_and_train_models/sm-model_trainer/basic-script-mode"
FEATURIZER = (
    "deploy_and_monitor/sm-inference_pipeline_with_scikit_linear_learner/"
    "sklearn_abalone_featurizer.py"
)
CASES = {
    "sklearn-iris": Case(
        image="sklearn",
        script="archived/scikit_learn_iris/scikit_learn_iris.py",
        data="iris",
        hyperparameters={"max_leaf_nodes": "30"},
        serve="scikit_learn_iris.py",
    ),
    "sklearn-random-forest": Case(
        image="sklearn",
        script=f"{SHADOW}/randomforest.py",
        data="steps",
        hyperparameters={"n-estimators": "100"},
        serve="randomforest.py",
    ),
    "sklearn-gradient-boosting": Case(
        image="sklearn",
        script=f"{SHADOW}/histgradientboost.py",
        data="steps",
        serve="histgradientboost.py",
    ),
    "sklearn-housing": Case(
        image="sklearn",
        script=f"{ARCHIVED}/scikitlearn_script/train_deploy_scikitlearn_without_dependencies.py",
        data="diabetes-table",
        fails="No module named 'sagemaker_training'",
    ),
    "sklearn-featurizer": Case(
        image="sklearn",
        script=FEATURIZER,
        data="diabetes-table",
        fails="No module named 'sagemaker_containers'",
    ),
    "xgboost-housing": Case(
        image="xgboost",
        script=f"{ARCHIVED}/xgboost_script/train_deploy_xgboost_with_dependencies.py",
        files={"my_custom_library": f"{ARCHIVED}/my_custom_library"},
        data="diabetes-table",
        hyperparameters={"num_round": "100", "K": "5"},
        serve="train_deploy_xgboost_with_dependencies.py",
    ),
    "xgboost-fraud": Case(
        image="xgboost",
        script="archived/fraud_detection/xgboost_starter_script.py",
        data="cancer",
        hyperparameters={"num_round": "50"},
        serve="xgboost_starter_script.py",
    ),
    "xgboost-clarify": Case(
        image="xgboost",
        script="archived/clarify-explainability-inference-pipelines/training/train_xgboost.py",
        data="cancer-apart",
    ),
    "xgboost-abalone": Case(
        image="xgboost",
        script=f"{ABALONE}/abalone.py",
        data="diabetes-table",
        fails="No module named 'sagemaker_containers'",
    ),
    "xgboost-churn": Case(
        image="xgboost",
        script="archived/getting_started/xgboost_customer_churn.py",
        data="diabetes-table",
        fails="No module named 'smdebug'",
    ),
    "pytorch-housing": Case(
        image="pytorch",
        script=f"{ARCHIVED}/pytorch_script/train_deploy_pytorch_without_dependencies.py",
        files={"pytorch_model_def.py": f"{ARCHIVED}/pytorch_script/pytorch_model_def.py"},
        data="diabetes",
        hyperparameters={"epochs": "60"},
        serve="train_deploy_pytorch_without_dependencies.py",
    ),
    "pytorch-model-trainer": Case(
        image="pytorch",
        script=f"{TRAINER}/custom_script.py",
        files={"pytorch_model_def.py": f"{TRAINER}/pytorch_model_def.py"},
        data="diabetes-in-code",
        unpacked=True,
        serve="custom_script.py",
    ),
    "pytorch-mnist": Case(
        image="pytorch",
        script="archived/pytorch/code/train.py",
        files={"inference.py": "archived/pytorch/code/inference.py"},
        data="digits",
        hyperparameters={"epochs": "10"},
        serve="inference.py",
    ),
    "pytorch-pipelines": Case(
        image="pytorch",
        script="ml_ops/sm-pipelines_local_mode/code/training/train.py",
        data="cancer-labels",
        requirements="pandas<2\nnumpy<2\nscikit-learn\n",  # AWS's container has them
    ),
}


class Bench:
    def __init__(self, source: Clone, scratch: Path, keep: Path) -> None:
        self.source, self.scratch, self.keep = source, scratch, keep
        self.data = scratch / "data"
        self.made: set[str] = set()

    def prepare(self, images: set[str]) -> None:
        """Make the data, and images whose pip finds its way."""
        for name in images | {"sklearn"}:
            require(IMAGES[name])
        maker = f"{OURS}-data"
        run("docker", "create", "-i", "--name", maker, "--network=none", "--entrypoint=python",
            IMAGES["sklearn"], "-")  # fmt: skip
        try:
            run("docker", "start", "-ai", maker, text=DATA)
            run("docker", "cp", f"{maker}:/data", self.data)
        finally:
            run("docker", "rm", maker)
        for name in images:
            self.made.add(f"{OURS}:{name}")
            with_pip(
                IMAGES[name], f"{OURS}:{name}", self.scratch / "pip", self.keep / f"{name}.log"
            )

    def close(self) -> None:
        for image in self.made:
            run("docker", "image", "rm", image)

    def try_out(self, name: str) -> str:
        """Train and serve; what came of it."""
        case, folder = CASES[name], self.scratch / name
        code = folder / "code"
        self.lay_out(case, code)
        began = time.monotonic()
        try:
            self.train(name, case, folder)
        except BrokenError as error:
            if case.fails and case.fails in str(error):
                return f"cannot run here: {case.fails}"
            raise
        if case.fails:
            raise BrokenError(f"it trained, but was to fail: {case.fails}")
        said = f"trained in {time.monotonic() - began:.0f} s"
        if not case.serve:
            return f"{said}; does not serve"
        (folder / "hosted/model/code").mkdir(exist_ok=True)
        run("cp", "-r", f"{code}/.", folder / "hosted/model/code")
        return f"{said}, {self.serve(name, case, folder)}"

    def lay_out(self, case: Case, code: Path) -> None:
        """`source_dir`, as its user would have it."""
        code.mkdir(parents=True)
        for name, path in {Path(case.script).name: case.script, **case.files}.items():
            if Path(path).suffix:
                (code / name).write_bytes(self.source.read(path))
            else:
                self.source.export(path, code / name)
        if case.requirements:
            (code / "requirements.txt").write_text(case.requirements)
        if (self.data / case.data / "code").is_dir():
            run("cp", "-r", f"{self.data / case.data / 'code'}/.", code)

    def train(self, name: str, case: Case, folder: Path) -> None:
        """Raise BrokenError with the reason of the job's failure. The model comes to `hosted`."""
        channels = [path for path in (self.data / case.data).iterdir() if path.name != "code"]
        channels = [path for path in channels if path.is_dir()]
        location = "/opt/ml/input/data/code" + ("" if case.unpacked else "/sourcedir.tar.gz")
        reserved = {
            "sagemaker_program": Path(case.script).name,
            "sagemaker_submit_directory": location,
        }
        encoded = {key: json.dumps(value) for key, value in reserved.items()}
        files: dict[str, bytes] = {
            "input/config/hyperparameters.json": json.dumps(
                {**encoded, **case.hyperparameters}
            ).encode(),
            "input/config/inputdataconfig.json": json.dumps(
                {
                    each: {"TrainingInputMode": "File"}
                    for each in ["code", *(p.name for p in channels)]
                }
            ).encode(),
            "input/config/resourceconfig.json": json.dumps(
                {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
            ).encode(),
        }
        tree = folder / "tree"
        for path, content in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
        (tree / "input/data").mkdir()
        for channel in channels:
            run("cp", "-r", channel, tree / "input/data")
        if case.unpacked:
            run("cp", "-r", folder / "code", tree / "input/data")
        else:
            (tree / "input/data/code").mkdir()
            with tarfile.open(tree / "input/data/code/sourcedir.tar.gz", "w:gz") as tar:
                tar.add(folder / "code", arcname=".")
        container = f"{OURS}-{name}"
        run("docker", "create", "--name", container, f"{OURS}:{case.image}", "train")
        try:
            run("docker", "cp", f"{tree}/.", f"{container}:/opt/ml")
            with (self.keep / f"{name}.train.log").open("wb") as log:
                done = subprocess.run(
                    ["docker", "start", "--attach", container],
                    stdout=log, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
                )  # fmt: skip
            if done.returncode:
                raise BrokenError(f"exit code {done.returncode}: {failure(container)}")
            (folder / "hosted").mkdir()
            run("docker", "cp", f"{container}:/opt/ml/model", folder / "hosted")
        finally:
            run("docker", "rm", "--force", "--volumes", container)

    def serve(self, name: str, case: Case, folder: Path) -> str:
        container = f"{OURS}-{name}"
        variables = {
            "SAGEMAKER_PROGRAM": case.serve,
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        }
        given = [f"--env={key}={value}" for key, value in variables.items()]
        run("docker", "create", "--name", container, "--publish=127.0.0.1::8080", *given,
            f"{OURS}:{case.image}", "serve")  # fmt: skip
        try:
            run("docker", "cp", f"{folder / 'hosted'}/.", f"{container}:/opt/ml")
            run("docker", "start", container)
            port = run("docker", "port", container, "8080/tcp").decode().split()[0]
            until_ready(f"http://{port}/ping", container)
            wanted = json.loads((self.data / case.data / "requests.json").read_text())
            answers = [
                predicted(f"http://{port}/invocations", body, wanted["type"])
                for body in wanted["bodies"]
            ]
            return judged(answers, wanted["expected"])
        finally:
            log = subprocess.run(["docker", "logs", container], capture_output=True, check=False)
            (self.keep / f"{name}.serve.log").write_bytes(log.stdout + log.stderr)
            run("docker", "rm", "--force", "--volumes", container)


def failure(container: str) -> str:
    try:
        archive = run("docker", "cp", f"{container}:/opt/ml/output/failure", "-")
    except BrokenError:
        return "and no reason in /opt/ml/output/failure"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile("failure")
        return "" if file is None else file.read().decode(errors="replace")


def until_ready(url: str, container: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=10).status_code == requests.codes.ok:
                return
        except requests.RequestException:
            running = run("docker", "inspect", "--format={{.State.Running}}", container)
            if running.strip() != b"true":
                raise BrokenError("the server ended") from None
        time.sleep(0.2)
    raise BrokenError(f"no 200 of /ping within {SECONDS} s")


def predicted(url: str, body: str, kind: str) -> float:
    """One number as it is; of several, which is the largest."""
    answer = requests.post(
        url, data=body, headers={"Content-Type": kind, "Accept": kind}, timeout=60
    )
    numbers = [float(each) for each in NUMBER.findall(answer.text)]
    if answer.status_code != requests.codes.ok or not numbers:
        raise BrokenError(f"{answer.status_code} for a prediction: {answer.text[:300]}")
    return numbers[0] if len(numbers) == 1 else float(numbers.index(max(numbers)))


def judged(answers: list[float], expected: list[float]) -> str:
    pairs = list(zip(answers, expected, strict=False))  # some cases ask for less
    middle = statistics.median(expected)
    error = statistics.mean(abs(answer - right) for answer, right in pairs)
    constant = statistics.mean(abs(middle - right) for _, right in pairs)
    said = f"{len(pairs)} predictions off by {error:.2f}, a constant by {constant:.2f}"
    if error >= constant:
        raise BrokenError(said)
    return said


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the public script-mode examples.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(CASES))
    parser.add_argument("--from", dest="source", type=Path, help="a clone, bare or not")
    parser.add_argument("--keep", type=Path, help="a folder for logs")
    options = parser.parse_args()
    names, broken = options.names or list(CASES), 0
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        keep = options.keep or scratch
        keep.mkdir(parents=True, exist_ok=True)
        bench = Bench(Clone.of(PUBLISHED, options.source, scratch), scratch, keep)
        try:
            try:
                bench.prepare({CASES[each].image for each in names})
            except BrokenError as error:
                print(error)
                return 1
            for each in names:
                try:
                    print(f"ok      {each}: {bench.try_out(each)}", flush=True)
                except (BrokenError, subprocess.TimeoutExpired) as error:
                    broken += 1
                    print(f"FAILED  {each}: {error}", flush=True)
        finally:
            bench.close()
    print(f"{len(names) - broken} of {len(names)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
