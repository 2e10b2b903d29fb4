"""The programs that come with script-mode images, on the oldest Python of the matrix."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project

TEMPLATE = """\
{% extends "_script_mode.Dockerfile.j2" %}
{% block framework %}
{{ pip.install(target.packages, requirements="runtime") }}
{% endblock %}
"""
IMAGES = """
[image.NAME]
versions = ["1.0"]
pythons = ["3.9"]
base = "python:{python}-slim-bookworm"
template = "plain"

[image.NAME.samples]
hyperparameters = { sagemaker_program = "learn.py", scale = "10" }
code = "code"
channels = { training = "data" }

[[image.NAME.samples.payload]]
content-type = "text/csv"
body = "request.csv"
answer = "answer.csv"
"""
SCRIPT = """
import argparse, os, pathlib, shutil

parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float)
scale = parser.parse_args().scale
lines = pathlib.Path(os.environ["SM_CHANNEL_TRAINING"], "numbers.csv").read_text().split()
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "factor").write_text(str(scale * len(lines)))
shutil.copytree("serving", model / "code")
print("done")
"""
INFERENCE = """
import pathlib

def model_fn(model_dir):
    return float(pathlib.Path(model_dir, "factor").read_text())

def predict_fn(data, model):
    return [row[0] * model for row in data]
"""


def test_a_user_s_script_trains_and_its_handlers_serve(local: Local, project: Project) -> None:
    for name, text in {
        "templates/plain.Dockerfile.j2": TEMPLATE,
        "code/learn.py": dedent(SCRIPT),
        "code/serving/inference.py": dedent(INFERENCE),
        "answer.csv": "30\n60\n",
    }.items():
        path = project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project.write(IMAGES)
    done = local.buildkit("build", "--all", "--json", folder=project.folder)
    assert done.code == 0, done.stderr
    (target,) = done.json["targets"]
    assert (target["id"], target["status"]) == (f"{project.name}-1.0-cpu-py39", "tested")
