"""A script-mode training script: a Spark ML pipeline on CSV files, the label in the first column.

It saves the pipeline, and the schema of a row for `serve`. It also runs on a
laptop: python train.py --train ../iris/training --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import SparkSession


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-iterations", type=int, default=30)
    parser.add_argument("--train", type=Path, default=os.environ.get("SM_CHANNEL_TRAINING"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()
    for name in ("train", "model_dir"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name.replace('_', '-')} is needed outside SageMaker")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    files = sorted(arguments.train.glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"no CSV files in {arguments.train}")
    spark = (
        SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false").getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    rows = spark.read.csv([path.as_uri() for path in files], inferSchema=True)
    features = rows.columns[1:]
    known, held_out = rows.randomSplit([0.8, 0.2], seed=0)
    pipeline = Pipeline(
        stages=[
            VectorAssembler(inputCols=features, outputCol="assembled"),
            StandardScaler(inputCol="assembled", outputCol="features", withMean=True),
            LogisticRegression(labelCol=rows.columns[0], maxIter=arguments.max_iterations),
        ]
    )
    model = pipeline.fit(known)
    evaluator = MulticlassClassificationEvaluator(labelCol=rows.columns[0], metricName="accuracy")
    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    print(f"accuracy={evaluator.evaluate(model.transform(held_out)):.4f}")
    model.write().overwrite().save((arguments.model_dir / "pipeline").as_uri())
    schema = {
        "input": [{"name": name, "type": "double"} for name in features],
        "output": {"name": "prediction", "type": "double"},
    }
    (arguments.model_dir / "schema.json").write_text(json.dumps(schema))
    spark.stop()


if __name__ == "__main__":
    main()
