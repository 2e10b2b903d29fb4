r"""Make the SavedModel in this folder, with a signature for each method of TensorFlow Serving.

    docker run --rm -v "$PWD/examples:/e" --entrypoint python IMAGE \
        /e/tensorflow-inference/make_model.py

IMAGE is one of the project's tensorflow images. The model classifies iris flowers by
the nearest mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
NAMES = ("setosa", "versicolor", "virginica")
WIDTH = 4


class NearestMean(tf.Module):
    def __init__(self, means: np.ndarray) -> None:
        super().__init__()
        self.means = tf.Variable(means, dtype=tf.float32)

    def scores(self, rows: tf.Tensor) -> tf.Tensor:
        distances = tf.norm(rows[:, None, :] - self.means[None], axis=2)
        return tf.nn.softmax(-distances)

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32, name="rows")])
    def predict(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"classes": tf.argmax(self.scores(rows), axis=1)}

    def examples(self, serialized: tf.Tensor) -> tf.Tensor:
        parsed = tf.io.parse_example(
            serialized, {"rows": tf.io.FixedLenFeature([WIDTH], tf.float32)}
        )
        return self.scores(parsed["rows"])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def classify(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = self.examples(examples)
        labels = tf.tile(tf.constant(NAMES)[None], [tf.shape(scores)[0], 1])
        return {"classes": labels, "scores": scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def regress(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": tf.reduce_max(self.examples(examples), axis=1)}


def main() -> None:
    rows = np.loadtxt(HERE.parent / "iris/training/iris.csv", delimiter=",")
    means = np.stack([rows[rows[:, 0] == label, 1:].mean(axis=0) for label in range(len(NAMES))])
    model = NearestMean(means)
    signatures = {
        "serving_default": model.predict,
        "tensorflow/serving/classify": model.classify,
        "tensorflow/serving/regress": model.regress,
    }
    tf.saved_model.save(model, str(HERE / "model/iris/1"), signatures=signatures)


if __name__ == "__main__":
    main()
