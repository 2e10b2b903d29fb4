"""A script-mode training script: a small network on CSV files with the label in the first column.

It also runs on a laptop: python train.py --train ../iris/training --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import mxnet
import numpy as np
from mxnet import autograd, gluon, nd


class Classifier(gluon.HybridBlock):
    """The number of the best class, by the scores of a network."""

    def __init__(self, network: gluon.HybridBlock) -> None:
        super().__init__()
        self.network = network

    def hybrid_forward(self, F, rows):  # noqa: ANN001, ANN201, N803 - as MXNet calls it
        return F.argmax(self.network(rows), axis=1)


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
    mxnet.random.seed(0)
    rows = read_rows(arguments.train)
    held_out, known = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    features, labels = nd.array(known[:, 1:]), nd.array(known[:, 0])

    network = gluon.nn.HybridSequential()
    network.add(
        gluon.nn.BatchNorm(),
        gluon.nn.Dense(16, activation="relu"),
        gluon.nn.Dense(int(rows[:, 0].max()) + 1),
    )
    network.initialize()
    settings = {"learning_rate": arguments.learning_rate}
    trainer = gluon.Trainer(network.collect_params(), "adam", settings)
    cost = gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(arguments.epochs):
        with autograd.record():
            loss = cost(network(features), labels)
        loss.backward()
        trainer.step(len(known))

    classifier = Classifier(network)
    classifier.hybridize()
    right = classifier(nd.array(held_out[:, 1:])).asnumpy() == held_out[:, 0]
    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    print(f"accuracy={right.mean():.4f}")
    classifier.export(str(arguments.model_dir / "model"), epoch=0)


if __name__ == "__main__":
    main()
