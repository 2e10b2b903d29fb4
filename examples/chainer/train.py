"""A script-mode training script: a small network on CSV files with the label in the first column.

Chainer only saves weights: the model contains this file, whose `model_fn` builds the network.

It also runs on a laptop: python train.py --train ../iris/training --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import chainer
import numpy as np
from chainer import functions, links

CLASSES = 3


class Classifier(chainer.Chain):
    """The number of the class of a row of features."""

    def __init__(self) -> None:
        super().__init__()
        with self.init_scope():
            self.hidden = links.Linear(None, 16)
            self.scores = links.Linear(16, CLASSES)

    def score(self, rows: np.ndarray) -> chainer.Variable:
        return self.scores(functions.relu(self.hidden(rows)))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self.score(rows).array.argmax(axis=1)


def model_fn(model_dir: str) -> Classifier:
    model = Classifier()
    model(np.zeros((1, int((Path(model_dir) / "width").read_text())), dtype=np.float32))
    chainer.serializers.load_npz(str(Path(model_dir) / "model.npz"), model)
    return model


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--train", type=Path, default=os.environ.get("SM_CHANNEL_TRAINING"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()
    for name in ("train", "model_dir"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name.replace('_', '-')} is needed outside SageMaker")
    return arguments


def read_rows(folder: Path) -> np.ndarray:
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"no CSV files in {folder}")
    rows = np.concatenate([np.loadtxt(path, delimiter=",", ndmin=2) for path in files])
    return np.random.default_rng(0).permutation(rows)


def main() -> None:
    arguments = parse_arguments()
    np.random.seed(0)  # noqa: NPY002 - where Chainer takes its numbers from
    rows = read_rows(arguments.train).astype(np.float32)
    held_out, known = rows[: len(rows) // 5], rows[len(rows) // 5 :]

    model = Classifier()
    optimizer = chainer.optimizers.Adam(alpha=arguments.learning_rate)
    optimizer.setup(model)
    for _ in range(arguments.epochs):
        loss = functions.softmax_cross_entropy(
            model.score(known[:, 1:]), known[:, 0].astype(np.int32)
        )
        model.cleargrads()
        loss.backward()
        optimizer.update()

    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    print(f"accuracy={(model(held_out[:, 1:]) == held_out[:, 0]).mean():.4f}")
    chainer.serializers.save_npz(str(arguments.model_dir / "model.npz"), model)
    (arguments.model_dir / "width").write_text(str(rows.shape[1] - 1))
    code = arguments.model_dir / "code"
    code.mkdir(exist_ok=True)
    shutil.copy(__file__, code / "inference.py")


if __name__ == "__main__":
    main()
