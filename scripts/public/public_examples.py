"""The suite on containers of other people: the public examples for SageMaker.

    scripts/public/public_examples.py [--from REPOSITORY] [--base PATTERN=IMAGE]... [--keep FOLDER]
        [NAME…]

Each run takes their files from the examples' repository, or from a clone of it, and builds them as
they are, but for the changes that stand here and are printed. A base that cannot be pulled is
replaced by what `--base` says, else by what BASES says; `scripts/dev/bases 3.9 3.11 3.13` makes and
prints the stand-ins for $BUILDKIT_SUBSTITUTE. Their pip prefers wheels, and gets the CA bundle of
docs/guide/networks.md and $PIP_INDEX_URL: old ones ask for an index that is no more.
With names, only these; `--keep` leaves build logs and reports in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from public_code import BrokenError, Clone, build, run, with_pip

PUBLISHED = "https://github.com/aws/amazon-sagemaker-examples"
BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
OURS = "buildkit-public-example"
BASES = {
    "ubuntu:18.04": "ubuntu",  # made of Ubuntu's packages
    "*/r-base:*": "python:3.13-slim-bookworm",  # the stand-in is Debian 13
    "*/miniconda3:*": "python:3.11-slim-bookworm",
    "python:3.9-slim-*": "python:3.9-slim-bookworm",
    "*/pytorch-training:*": "script-mode",  # the example below: the same toolkit starts the script
}
UBUNTU = """
FROM python:3.13-slim-bookworm AS keys
RUN apt-get -q update && apt-get -qy install --no-install-recommends ubuntu-archive-keyring
FROM python:3.11-slim-bookworm AS make
RUN apt-get -q update && apt-get -qy install --no-install-recommends mmdebstrap gpg
COPY --from=keys /usr/share/keyrings/ /usr/share/keyrings/
RUN mmdebstrap --mode=root --variant=minbase \\
    --include=apt,tzdata \\
    --components=main,universe bionic /ubuntu
FROM scratch
COPY --from=make /ubuntu /
"""
OLD_PYTHON = (
    ("FROM ubuntu:16.04", "FROM ubuntu:18.04"),  # whose own Python is 3.6: none is compiled
    (r"add-apt-repository \S+ -y && \\\n", ""),  # has nothing for a release that old any more
    (r"RUN wget .*?/usr/bin/pip\n", "RUN apt-get update && apt-get install -y python3-pip\n"),
    # The newest that installs on Python 3.6 does not start there (OUT-01: `capture_output`).
    (r"sagemaker-training$", "'sagemaker-training<4'"),
)
NEW_PIP = (  # get-pip.py is for newer Pythons today
    (r"curl -O .* get-pip.py --force-reinstall", "python3.7 -m pip install --upgrade pip"),
)
IRIS = (
    "build_and_train_models/sm-scikit_build_your_own_container/container/local_test/test_dir/"
    "input/data/training/iris.csv"
)
PAYLOADS = {"payload.jsonl": "application/jsonlines", "payload.csv": "text/csv"}
R_HEAD = "Sepal.Width,Petal.Length,Petal.Width,Species"
FEATURIZER = """
import io, sys, joblib, pandas
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
names = "length diameter height whole_weight shucked_weight viscera_weight shell_weight".split()
rows = [["MFI"[n % 3], *(0.1 * n + 0.01 * m for m in range(7))] for n in range(30)]
table = pandas.DataFrame(rows, columns=["sex", *names])
parts = [("numbers", StandardScaler(), names), ("sex", OneHotEncoder(), ["sex"])]
file = io.BytesIO()
joblib.dump(ColumnTransformer(parts).fit(table), file)
sys.stdout.buffer.write(file.getvalue())
"""
SCRIPT = """
import os
lines = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "iris.csv")).readlines()
print("rows=%d" % len(lines))
open(os.path.join(os.environ["SM_MODEL_DIR"], "rows"), "w").write(str(len(lines)))
"""


@dataclass(frozen=True, kw_only=True)
class Example:
    """`files` are published, `made` are ours, `printed` come from a program run in the image."""

    folder: str
    samples: str
    """Lines of the table in images.toml. Its payloads are found by their names, see PAYLOADS."""
    purposes: tuple[str, ...] = ("training", "inference")
    features: tuple[str, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)


EXAMPLES = {
    "decision-trees": Example(  # nginx, gunicorn and flask
        folder="build_and_train_models/sm-scikit_build_your_own_container/container",
        features=("batch",),
        samples='channels.training = "training"',
        files={
            "training/iris.csv": IRIS,
            "payload.csv": f"{Path(IRIS).parents[4]}/payload.csv",
        },
    ),
    "r-mars": Example(  # R, plumber
        folder="archived/r_byo_r_algo_hpo",
        features=("tuning",),
        samples='channels.train = "train"\nhyperparameters.degree = "2"\nobjective = "mse"\n'
        'metrics.mse = "mse: ([0-9\\\\.]+)"',
        made={
            "train/iris.csv": f"Sepal.Length,{R_HEAD}\n"
            + "".join(
                f"{4 + n % 9 / 3:.2f},{n % 5},{n % 7},{n % 3},{'abc'[n % 3]}\n" for n in range(90)
            ),
            "payload.csv": f"{R_HEAD}\n3,1.4,0.2,a\n2,4.5,1.5,b\n3,6.0,2.5,c\n",
        },
    ),
    "featurizer": Example(  # nginx, gunicorn and flask; `python` is the entrypoint
        folder="archived/byoc-nginx-python/featurizer",
        purposes=("inference",),
        features=("bind-to-port",),
        samples='model = "model"',
        made={"payload.csv": "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08\n"},
        printed={"model/preprocess.joblib": FEATURIZER},
    ),
    "clarify-json": Example(  # flask's own server
        folder="archived/fairness_and_explainability_json_format/container",
        samples='channels.train = "train"',
        made={
            "train/train.csv": "".join(f"{n % 2},{n},{n % 7}\n" for n in range(60)),
            "payload.jsonl": '{"features": [1, 2]}\n{"features": [3, 4]}\n',
            "payload.csv": "1,2\n3,4\n",
        },
    ),
    "catboost": Example(  # Multi Model Server, in Java
        folder="archived/multi_model_catboost/container/mme_catboost",
        purposes=("inference",),
        features=("multi-model", "bind-to-port"),
        samples='model = "model"',
        changes=NEW_PIP,
        files={
            "model/catboost_model.bin": "archived/multi_model_catboost/models/mme_catboost/"
            "catboost_model.bin",
            "payload.csv": "archived/multi_model_catboost/data/mme_catboost/test_data.csv",
        },
    ),
    "script-mode": Example(  # SageMaker's training toolkit
        folder="archived/script-mode-container-2/docker",
        purposes=("training",),
        features=("script-mode",),
        samples='code = "code"\nhyperparameters.sagemaker_program = "train.py"\n'
        'channels.train = "train"',
        changes=OLD_PYTHON,
        files={"train/iris.csv": IRIS},
        made={"code/train.py": SCRIPT},
    ),
    "pipe": Example(  # the same toolkit, a script that reads named pipes
        folder="archived/pipe_bring_your_own",
        purposes=("training",),
        features=("pipe-mode",),
        samples='channels.training = "train"',
        files={"train/iris.csv": IRIS},
    ),
}


class Bench:
    def __init__(self, source: Clone, bases: list[str], scratch: Path, keep: Path) -> None:
        self.source, self.scratch, self.keep = source, scratch, keep
        self.bases = dict(each.split("=", 1) for each in bases)
        rules = os.environ.get("BUILDKIT_SUBSTITUTE", "").split()
        self.substitutes = dict(each.split("=", 1) for each in rules)

    def build(self, name: str) -> str:
        """Build an example, its base first, and return its tag."""
        example, folder, tag = EXAMPLES[name], self.scratch / f"{name}.files", f"{OURS}:{name}"
        self.source.export(example.folder, folder)
        text = (folder / "Dockerfile").read_text()
        for old, new in example.changes:
            text, count = re.subn(old, new, text, flags=re.DOTALL | re.MULTILINE)
            print(f"  changed: {old} -> {new}".replace("\n", "\\n"))
            if not count:
                raise BrokenError(f"its Dockerfile is another one today: no {old}")
        text = text.replace("${region}", "us-east-1")
        (folder / "Dockerfile").write_text(text)
        (base,) = re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)
        build(folder, tag, {base: self.base(base)}, self.log(tag))
        return tag

    def log(self, tag: str) -> Path:
        return self.keep / f"{tag.replace(':', '-')}.log"

    def base(self, published: str) -> str:
        """The image that is built on instead of a published one."""
        found = next((to for of, to in self.bases.items() if fnmatchcase(published, of)), None)
        if found is None and pullable(published):
            found = published
        like = next((to for of, to in BASES.items() if fnmatchcase(published, of)), "")
        if found is None and like in EXAMPLES:
            found = self.build(like)
        elif found is None and like == "ubuntu":
            found = f"{OURS}-base:ubuntu"
            folder = self.scratch / "ubuntu"
            folder.mkdir(exist_ok=True)
            (folder / "Dockerfile").write_text(UBUNTU)
            build(folder, found, self.substitutes, self.log(found))
        elif found is None:
            found = self.substitutes.get(like)
        if found is None:
            raise BrokenError(f"{published} cannot be pulled, and nothing stands in for it")
        print(f"  base: {published}" + (f", here {found}" if found != published else ""))
        tag = f"{OURS}-base:{re.sub(r'[^a-z0-9]+', '-', found)}"
        with_pip(found, tag, self.scratch / "base", self.log(tag))
        return tag

    def test(self, name: str, tag: str) -> dict[str, Any]:
        example, project = EXAMPLES[name], self.scratch / f"{name}.samples"
        contents = {path: self.source.read(of) for path, of in example.files.items()}
        contents |= {path: text.encode() for path, text in example.made.items()}
        inside = ("docker", "run", "--rm", "-i", "--network=none", "--entrypoint=python", tag, "-")
        contents |= {path: run(*inside, text=text) for path, text in example.printed.items()}
        for path, content in contents.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_bytes(content)
        payloads = [
            f'[[image.{name}.samples.payload]]\ncontent-type = "{kind}"\nbody = "{body}"\n'
            f'accept = "{kind}"\n'
            for body, kind in PAYLOADS.items()
            if body in contents
        ]
        (project / "images.toml").write_text(
            f'[image.{name}]\nversions = ["1"]\nbase = "{tag}"\n'
            f"[image.{name}.samples]\n{example.samples}\n" + "".join(payloads)
        )
        command = [BUILDKIT, "test", tag, "--samples", f"{name}-*", "--json"]
        command += [f"--purpose={each}" for each in example.purposes]
        command += [f"--feature={each}" for each in example.features]
        done = subprocess.run(
            command, cwd=project, capture_output=True, text=True, timeout=3600, check=False
        )
        (self.keep / f"{name}.json").write_text(done.stdout)
        if not done.stdout:
            raise BrokenError(f"cannot be tested: {done.stderr[-1500:]}")
        return dict(json.loads(done.stdout))


def pullable(image: str) -> bool:
    command = ["docker", "buildx", "imagetools", "inspect", image]
    try:
        return not subprocess.run(command, capture_output=True, timeout=20, check=False).returncode
    except subprocess.TimeoutExpired:
        return False


def show(report: dict[str, Any]) -> None:
    """The counts, then each broken clause with the first line of its evidence."""
    counts = Counter(each["status"] for each in report["clauses"])
    print(f"  {report['verdict']}: " + ", ".join(f"{n} {word}" for word, n in counts.items()))
    for each in report["clauses"]:
        if each["status"] in ("fail", "warn"):
            print(f"  {each['status']} {each['id']:<8} {each['title']}")
            print(f"       {(each['message'].splitlines() or [''])[0][:300]}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Test the public examples.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(EXAMPLES))
    parser.add_argument("--from", dest="source", type=Path, help="a clone, bare or not")
    parser.add_argument("--base", action="append", default=[], metavar="PATTERN=IMAGE")
    parser.add_argument("--keep", type=Path, help="a folder for build logs and reports")
    options = parser.parse_args()
    tested = 0
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        source = Clone.of(PUBLISHED, options.source, scratch)
        keep = options.keep or scratch
        keep.mkdir(parents=True, exist_ok=True)
        bench = Bench(source, options.base, scratch, keep)
        for each in options.names or EXAMPLES:
            print(f"{each}: {EXAMPLES[each].folder}", flush=True)
            began = time.monotonic()
            try:
                tag = bench.build(each)
                built = time.monotonic()
                show(bench.test(each, tag))
                tested += 1
                print(
                    f"  built in {built - began:.0f} s, tested in {time.monotonic() - built:.0f} s"
                )
            except (BrokenError, subprocess.TimeoutExpired) as error:
                print(f"  {error}")
    print(f"tested {tested} of {len(options.names or EXAMPLES)}")
    return 0 if tested == len(options.names or EXAMPLES) else 1


if __name__ == "__main__":
    sys.exit(main())
