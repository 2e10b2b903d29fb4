# Trains a linear discriminant on CSV files with the label in the first column, in plain R.
#
# The data is in the channel `training`. The model goes to /opt/ml/model, and the reason of a failure
# to /opt/ml/output/failure.

base <- Sys.getenv("SAGEMAKER_BASE_DIR", "/opt/ml")
failure <- file.path(base, "output", "failure")

read_rows <- function(folder) {
  files <- list.files(folder, pattern = "\\.csv$", full.names = TRUE)
  files <- files[!file.info(files)$isdir]
  if (length(files) == 0) stop("no CSV files in ", folder)
  do.call(rbind, lapply(files, function(path) as.matrix(read.csv(path, header = FALSE))))
}

fit <- function(rows) {
  labels <- sort(unique(rows[, 1]))
  features <- rows[, -1, drop = FALSE]
  means <- t(sapply(labels, function(label) colMeans(features[rows[, 1] == label, , drop = FALSE])))
  centred <- features - means[match(rows[, 1], labels), ]
  list(labels = labels, means = means, inverse = solve(crossprod(centred) / nrow(rows)))
}

classify <- function(model, features) {
  distances <- sapply(seq_along(model$labels), function(at) {
    difference <- sweep(features, 2, model$means[at, ])
    rowSums((difference %*% model$inverse) * difference)
  })
  model$labels[max.col(-matrix(distances, nrow = nrow(features)), ties.method = "first")]
}

train <- function() {
  rows <- read_rows(file.path(base, "input", "data", "training"))
  set.seed(0)
  held_out <- sample(nrow(rows), nrow(rows) %/% 5)
  model <- fit(rows[-held_out, , drop = FALSE])
  right <- classify(model, rows[held_out, -1, drop = FALSE]) == rows[held_out, 1]
  # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
  cat(sprintf("accuracy=%.4f\n", mean(right)))
  dir.create(file.path(base, "model"), recursive = TRUE, showWarnings = FALSE)
  saveRDS(model, file.path(base, "model", "model.rds"))
}

if (sys.nframe() == 0) {
  unlink(failure)
  tryCatch(train(), error = function(error) {
    message("training failed: ", conditionMessage(error))
    dir.create(dirname(failure), recursive = TRUE, showWarnings = FALSE)
    writeLines(conditionMessage(error), failure)
    quit(status = 1)
  })
}
