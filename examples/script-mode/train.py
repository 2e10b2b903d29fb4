"""A training script, in the image or from S3: the mean of each class, on CSV files of rows.

Hyperparameters arrive as arguments, folders as SM_* variables. It also runs on a laptop:
python train.py --train ../iris/training --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from means import accuracy, fit, read_rows


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--train", type=Path, default=os.environ.get("SM_CHANNEL_TRAINING"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()
    for name in ("train", "model_dir"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name.replace('_', '-')} is needed outside SageMaker")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    rows = read_rows(arguments.train, arguments.scale)
    means = fit([row for number, row in enumerate(rows) if number % 5])
    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    print(f"accuracy={accuracy(means, rows[::5]):.4f}")
    (arguments.model_dir / "means.json").write_text(json.dumps(means))


if __name__ == "__main__":
    main()
