"""The data of public_scripts.py, of what scikit-learn comes with: run in an image that has it.

Below /data is a folder for each kind: its channels, and `requests.json`, what to ask a model. Every
fifth row is kept from training.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import datasets

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path("/data")
EPOCHS = 60


def folder(*names: str) -> Path:
    path = ROOT.joinpath(*names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def ask(kind: str, content_type: str, bodies: Iterable[str], expected: Iterable[float]) -> None:
    found = {"type": content_type, "bodies": list(bodies), "expected": [float(e) for e in expected]}
    (folder(kind) / "requests.json").write_text(json.dumps(found))


def lines(values: Any) -> list[str]:
    return [",".join(map(str, row)) for row in values]


def split(values: Any, labels: Any) -> tuple[Any, Any, Any, Any]:
    unseen = np.arange(len(values)) % 5 == 0
    return values[~unseen], labels[~unseen], values[unseen], labels[unseen]


def table(path: Path, values: Any, labels: Any, label: str = "") -> None:
    """The label comes first; with its name there is a line of names."""
    names = [label, *map(str, range(values.shape[1]))]
    frame = pd.DataFrame(np.column_stack([labels, values]), columns=names)
    frame.to_csv(path, index=False, header=bool(label))


def iris() -> None:
    x, y, new_x, new_y = split(*datasets.load_iris(return_X_y=True))
    table(folder("iris", "train") / "iris.csv", x, y)
    ask("iris", "text/csv", lines(new_x), new_y)


def diabetes() -> None:
    values, labels = datasets.load_diabetes(return_X_y=True)
    values, labels = values / values.std(axis=0), (labels - labels.mean()) / labels.std()
    x, y, new_x, new_y = split(values, labels)
    table(folder("diabetes-table", "train") / "train.csv", x, y)
    table(folder("diabetes-table", "test") / "test.csv", new_x, new_y)
    ask("diabetes-table", "text/csv", lines(new_x), new_y)
    arrays = {"train": (x[:, :8], y), "test": (new_x[:, :8], new_y)}
    # The second script passes over its data only once.
    repeated = {**arrays, "train": (np.tile(x[:, :8], (EPOCHS, 1)), np.tile(y, EPOCHS))}
    for kind, found in ("diabetes", arrays), ("diabetes-in-code/code/data", repeated):
        for channel, (inputs, outputs) in found.items():
            np.save(folder(kind, channel) / f"x_{channel}.npy", inputs)
            np.save(folder(kind, channel) / f"y_{channel}.npy", outputs)
    bodies = [json.dumps([row[:8].tolist()]) for row in new_x]
    for kind in ("diabetes", "diabetes-in-code"):
        ask(kind, "application/json", bodies, new_y)
    # One script reports on classes, and knows the names of fifteen.
    x, y, new_x, new_y = split(values, pd.qcut(labels, 15, labels=False))
    table(folder("steps", "train") / "train.csv", x, y, "step")
    table(folder("steps", "validation") / "newval.csv", new_x, new_y, "step")
    ask("steps", "text/csv", lines(new_x), new_y)


def cancer() -> None:
    x, y, new_x, new_y = split(*datasets.load_breast_cancer(return_X_y=True))
    for kind, label in ("cancer", "fraud"), ("cancer-labels", "labels"):
        table(folder(kind, "train") / "train.csv", x, y, label)
        table(folder(kind, "test") / "test.csv", new_x, new_y, label)
    ask("cancer", "text/csv", lines(new_x), new_y)
    for channel, word, inputs, outputs in (
        ("train", "train", x, y),
        ("validation", "val", new_x, new_y),
    ):
        path = folder("cancer-apart", channel)
        pd.DataFrame(inputs).to_csv(path / f"{word}_features.csv", index=False)
        pd.DataFrame(outputs).to_csv(path / f"{word}_labels.csv", index=False)


def digits() -> None:
    """As large as those of MNIST, in its files."""
    small, labels = datasets.load_digits(return_X_y=True)
    large = np.kron(small.reshape(-1, 8, 8), np.ones((3, 3))) * 15
    x, y, new_x, new_y = split(np.pad(large, ((0, 0), (2, 2), (2, 2))), labels)
    for channel, word, images, names in (
        ("training", "train", x, y), ("testing", "t10k", new_x, new_y),
    ):  # fmt: skip
        path = folder("digits", channel)
        for name, head, array in ("images-idx3", 16, images), ("labels-idx1", 8, names):
            with gzip.open(path / f"{word}-{name}-ubyte.gz", "wb") as file:
                file.write(bytes(head) + array.astype("uint8").tobytes())
    means, deviations = (f(new_x, axis=(1, 2), keepdims=True) for f in (np.mean, np.std))
    bodies = [json.dumps({"inputs": [[image.tolist()]]}) for image in (new_x - means) / deviations]
    ask("digits", "application/json", bodies[:40], new_y[:40])


for make in (iris, diabetes, cancer, digits):
    make()
