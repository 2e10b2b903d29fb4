"""A script-mode training script: boosted trees on CSV files with the label in the first column.

It also runs on a laptop: python train.py --train FOLDER --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import xgboost


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-round", type=int, default=20)
    parser.add_argument("--max-depth", type=int, default=3)
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


def matrix(rows: np.ndarray) -> xgboost.DMatrix:
    return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])


def main() -> None:
    arguments = parse_arguments()
    rows = read_rows(arguments.train)
    held_out, known = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    parameters = {
        "objective": "multi:softmax",
        "num_class": int(rows[:, 0].max()) + 1,
        "max_depth": arguments.max_depth,
        "seed": 0,
    }
    booster = xgboost.train(parameters, matrix(known), num_boost_round=arguments.num_round)
    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    right = booster.predict(matrix(held_out)) == held_out[:, 0]
    print(f"accuracy={right.mean():.4f}")
    booster.save_model(arguments.model_dir / "model.ubj")


if __name__ == "__main__":
    main()
