"""A script-mode training script that needs einops, which AWS's PyTorch image does not have.

Rows of four numbers are two pairs (sepal and petal, length and width). The script adds the area of
each pair, and a linear model predicts the class from lengths, widths and areas.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, reduce
from torch import nn


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--train", type=Path, default=os.environ.get("SM_CHANNEL_TRAINING"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()
    for name in ("train", "model_dir"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name.replace('_', '-')} is needed outside SageMaker")
    return arguments


def features(rows: torch.Tensor) -> torch.Tensor:
    pairs = rearrange(rows, "row (part size) -> row part size", size=2)
    return torch.cat([rows, reduce(pairs, "row part size -> row part", "prod")], dim=1)


def main() -> None:
    arguments = parse_arguments()
    files = sorted(arguments.train.glob("*.csv"))
    rows = np.concatenate([np.loadtxt(path, delimiter=",", ndmin=2) for path in files])
    rows = np.random.default_rng(0).permutation(rows)
    inputs = features(torch.tensor(rows[:, 1:], dtype=torch.float32))
    labels = torch.tensor(rows[:, 0]).long()
    held_out = len(rows) // 5

    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, int(labels.max()) + 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(arguments.epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[held_out:]), labels[held_out:]).backward()
        optimizer.step()

    guesses = model.eval()(inputs[:held_out]).argmax(dim=1)
    print(f"accuracy={(guesses == labels[:held_out]).double().mean():.4f}")
    torch.save(model.state_dict(), arguments.model_dir / "model.pth")


if __name__ == "__main__":
    main()
