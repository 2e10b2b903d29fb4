"""A script-mode training script: a small network on CSV files with the label in the first column.

It saves a SavedModel in the form of TensorFlow Serving: a folder whose name is the version. It also
runs on a laptop: python train.py --train ../iris/training --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

VERSION = "1"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
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


def export(network: keras.Model, width: int, folder: Path) -> None:
    """Save a model that maps a row of features to the number of the best class."""
    rows = tf.TensorSpec([None, width], tf.float32, name="rows")

    def classify(values: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(values, training=False), axis=1)

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serving_default", classify, input_signature=[rows])
    archive.write_out(str(folder), verbose=False)


def main() -> None:
    arguments = parse_arguments()
    rows = read_rows(arguments.train)
    held_out, known = rows[: len(rows) // 5], rows[len(rows) // 5 :]

    keras.utils.set_random_seed(0)
    scale = keras.layers.Normalization()
    scale.adapt(known[:, 1:])
    classes = int(rows[:, 0].max()) + 1
    network = keras.Sequential(
        [scale, keras.layers.Dense(16, activation="relu"), keras.layers.Dense(classes)]
    )
    network.compile(
        optimizer=keras.optimizers.Adam(arguments.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(known[:, 1:], known[:, 0], epochs=arguments.epochs, verbose=0)
    _, accuracy = network.evaluate(held_out[:, 1:], held_out[:, 0], verbose=0)
    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    print(f"accuracy={accuracy:.4f}")
    export(network, rows.shape[1] - 1, arguments.model_dir / VERSION)


if __name__ == "__main__":
    main()
