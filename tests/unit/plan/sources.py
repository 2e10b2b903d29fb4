"""The files of the project whose histories are tested, and the edits of their texts."""

from __future__ import annotations

ONE, TWO, BASES = "one.example", "two.example", "bases.example"
IMAGES = f"""
[registry.repositories]
mutability = "mutable"

[image.algo]
versions = ["1.0"]
base = "{BASES}/python:1"
context = "algo"
packages = ["six==0"]
args = {{ A = "0" }}
labels = {{ L = "0" }}
platform = "linux/amd64"
samples = {{ hyperparameters = {{ a = "0" }}, channels = {{ train = "samples" }} }}

[image.tool]
versions = ["1.0"]
base = "{BASES}/python:1"
"""
FILES = {
    "images.toml": IMAGES,
    "templates/algo.Dockerfile.j2": """{% import "macros/words.j2" as words %}
FROM {{ target.base }} AS image
RUN echo 0 {{ words.of(target.packages) }}
{% for name, value in target.args %}
ARG {{ name }}={{ value }}
{% endfor %}
{% for name, value in target.labels %}
LABEL {{ name }}={{ value }}
{% endfor %}
RUN --mount=type=bind,from=runtime,target=/runtime cp -r /runtime /opt
{% if target.lock_file %}
RUN --mount=type=bind,from=lock,source={{ target.lock_file }} pip install
{% endif %}
{% include "parts/tail.j2" %}""",
    "templates/tool.Dockerfile.j2": "FROM {{ target.base }} AS image\nRUN echo 0\n",
    "templates/macros/words.j2": "{% macro of(all) %}{{ all | join(' ') }} 0{% endmacro %}\n",
    "templates/parts/tail.j2": "RUN echo 0\n",
    "templates/runtime/run.py": "0",
    "algo/.dockerignore": "",
    "algo/train": "0",
    "algo/lib/a.py": "0",
    "algo/note.log": "0",
    "algo/Data/x": "0",
    "algo/one": "0",
    "samples/data.csv": "0",
    "algo.lock": f"six==0 --hash=sha256:{'0' * 64}\n",
}
IGNORED = ("", "*.log\ndata\n", "*\n!**/*.py\n!train\n", "Data\nlib/*\n")
PATTERNS = {
    "packages": (r'"six==\d"', '"six=={}"'),
    "args": (r'A = "\d"', 'A = "{}"'),
    "labels": (r'L = "\d"', 'L = "{}"'),
    "base": (r"python:\d", "python:{}"),
    "platform": (r"linux/\w+", ("linux/amd64", "linux/arm64")),
    "revision": (r'versions = \["1.0[-\d]*"\]', ('versions = ["1.0"]', 'versions = ["1.0-1"]')),
    "mutable": (r'mutability = "\w+"', ('mutability = "mutable"', 'mutability = "immutable"')),
    "hyperparameters": (r'a = "\d"', 'a = "{}"'),
    "own-lock": (r'context = "algo"(\nlock = "algo.lock")?', ('context = "algo"', 'context = "algo"\nlock = "algo.lock"')),
}  # fmt: skip
TEXTS = {
    "file": ("algo/{}", "{}"),
    "template": ("templates/algo.Dockerfile.j2", (r"echo \d", "echo {}")),
    "macro": ("templates/macros/words.j2", (r"\d\{% endmacro", "{}{{% endmacro")),
    "include": ("templates/parts/tail.j2", (r"\d", "{}")),
    "tool": ("templates/tool.Dockerfile.j2", (r"echo \d", "echo {}")),
}
