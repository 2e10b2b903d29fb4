"""Other people's scripts in our images, unmodified: the public script-mode examples for SageMaker.

    scripts/public/public_scripts.py [--from REPOSITORY] [--keep FOLDER] [NAME…]

Each run takes the scripts from the examples' repository, or from a clone of it. A script comes to
its image as the SageMaker SDK uploads it: a `sourcedir.tar.gz` in the channel `code` to train, the
same files in `code/` of the model to serve. It trains on data of scikit-learn, which public_data.py
cuts to the form that it reads, and has to predict unseen rows better than a constant does.
With names, only these; `--keep` leaves what the containers said in a folder.

Scripts with `fails` are expected to fail with that message; any other end is an error. The images
have to be built.
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
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import requests
from public_code import BrokenError, Clone, require, run, with_pip

PUBLISHED = "https://github.com/aws/amazon-sagemaker-examples"
OURS = "buildkit-public-script"
IMAGES = {
    "sklearn": "sklearn:1.7.2-cpu-py311",
    "sklearn-toolkits": "sklearn-toolkits:1.7.2-cpu-py311",
    "xgboost": "xgboost:3.2.0-cpu-py311",
    "pytorch": "pytorch:2.13.0-cpu-py311",
}
SECONDS = 300
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
DATA = Path(__file__).with_name("public_data.py")


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
        image="sklearn-toolkits",
        script=f"{ARCHIVED}/scikitlearn_script/train_deploy_scikitlearn_without_dependencies.py",
        data="diabetes-table",
        serve="train_deploy_scikitlearn_without_dependencies.py",
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
        requirements="pandas<2\nnumpy<2\nscikit-learn\n",  # what it was written for
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
            run("docker", "start", "-ai", maker, text=DATA.read_text())
            run("docker", "cp", f"{maker}:/data", self.data)
        finally:
            run("docker", "rm", maker)
        for name in images:
            with_pip(
                IMAGES[name], f"{OURS}:{name}", self.scratch / "pip", self.keep / f"{name}.log"
            )
            self.made.add(f"{OURS}:{name}")

    def close(self) -> None:
        for image in self.made:
            run("docker", "image", "rm", image)

    def try_out(self, name: str) -> tuple[str, str]:
        """Train and serve: `ok` or `cannot`, and what came of it. Raise BrokenError."""
        case, folder = CASES[name], self.scratch / name
        code = folder / "code"
        self.lay_out(case, code)
        began = time.monotonic()
        try:
            self.train(name, case, folder)
        except BrokenError as error:
            if case.fails and case.fails in str(error):
                return "cannot", case.fails
            raise
        if case.fails:
            raise BrokenError(f"it trained, but was to fail: {case.fails}")
        said = f"trained in {time.monotonic() - began:.0f} s"
        if not case.serve:
            return "ok", f"{said}; does not serve"
        (folder / "hosted/model/code").mkdir(exist_ok=True)
        run("cp", "-r", f"{code}/.", folder / "hosted/model/code")
        return "ok", f"{said}, {self.serve(name, case, folder)}"

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
        container, tree = f"{OURS}-{name}", folder / "tree"
        channels = [path for path in (self.data / case.data).iterdir() if path.is_dir()]
        plant(tree, case, folder / "code", [path for path in channels if path.name != "code"])
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


def plant(tree: Path, case: Case, code: Path, channels: list[Path]) -> None:
    """What is below /opt/ml when a job starts."""
    location = "/opt/ml/input/data/code" + ("" if case.unpacked else "/sourcedir.tar.gz")
    reserved = {
        "sagemaker_program": Path(case.script).name,
        "sagemaker_submit_directory": location,
    }
    encoded = {key: json.dumps(value) for key, value in reserved.items()}
    names = ["code", *(path.name for path in channels)]
    config: dict[str, dict[str, object]] = {
        "hyperparameters": {**encoded, **case.hyperparameters},
        "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in names},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    (tree / "input/config").mkdir(parents=True)
    for name, value in config.items():
        (tree / f"input/config/{name}.json").write_text(json.dumps(value))
    (tree / "input/data").mkdir()
    for channel in channels:
        run("cp", "-r", channel, tree / "input/data")
    if case.unpacked:
        run("cp", "-r", code, tree / "input/data")
    else:
        (tree / "input/data/code").mkdir()
        with tarfile.open(tree / "input/data/code/sourcedir.tar.gz", "w:gz") as tar:
            tar.add(code, arcname=".")


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
    pairs = list(zip(answers, expected, strict=True))
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
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        keep = options.keep or scratch
        keep.mkdir(parents=True, exist_ok=True)
        bench = Bench(Clone.of(PUBLISHED, options.source, scratch), scratch, keep)
        try:
            names = options.names or list(CASES)
            bench.prepare({CASES[each].image for each in names})
            for each in names:
                try:
                    word, said = bench.try_out(each)
                except (BrokenError, subprocess.TimeoutExpired) as error:
                    word, said = "FAILED", str(error)
                counts[word] += 1
                print(f"{word:<7} {each}: {said}", flush=True)
        except BrokenError as error:
            print(error)
            return 1
        finally:
            bench.close()
    print(", ".join(f"{number} {word}" for word, number in counts.items()))
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
