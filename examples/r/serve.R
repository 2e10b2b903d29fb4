# Serves /ping and /invocations with plumber: rows of CSV or JSON in, the class of each row out.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "train.R"))

refuse <- function(res, status, text) {
  res$status <- status
  res$setHeader("Content-Type", "text/plain; charset=utf-8")
  res$body <- text
  res
}

media_type <- function(header) tolower(trimws(sub(";.*", "", header)))

read_csv <- function(text) {
  cells <- strsplit(strsplit(trimws(text), "\r?\n")[[1]], ",", fixed = TRUE)
  if (length(unique(lengths(cells))) != 1) stop("rows differ in length")
  t(vapply(cells, as.numeric, numeric(length(cells[[1]]))))
}

read_json <- function(text) {
  # Not fromJSON, which also reads files and addresses: the client would choose them.
  value <- jsonlite::parse_json(text, simplifyVector = TRUE)
  rows <- if (is.list(value)) value$instances else value
  if (is.null(dim(rows))) rows <- matrix(rows, nrow = 1)
  if (!is.numeric(rows)) stop("instances are not rows of numbers")
  rows
}

readers <- list("text/csv" = read_csv, "application/json" = read_json)

writers <- list(
  "text/csv" = function(classes) paste(classes, collapse = "\n"),
  "application/json" = function(classes) {
    as.character(jsonlite::toJSON(classes, auto_unbox = FALSE))
  }
)

wanted <- function(accept, content_type) {
  types <- media_type(strsplit(accept %||% "*/*", ",", fixed = TRUE)[[1]])
  known <- types[types %in% names(writers)]
  if (length(known) > 0) return(known[[1]])
  if (any(grepl("*", types, fixed = TRUE))) content_type else NULL
}

`%||%` <- function(value, otherwise) if (is.null(value) || value == "") otherwise else value

invoke <- function(model, req, res) {
  content_type <- media_type(req$HTTP_CONTENT_TYPE %||% "text/csv")
  if (is.null(readers[[content_type]])) return(refuse(res, 415, paste("cannot read", content_type)))
  accept <- wanted(req$HTTP_ACCEPT, content_type)
  if (is.null(accept)) return(refuse(res, 406, "the answer can be text/csv or application/json"))
  rows <- tryCatch(
    suppressWarnings(readers[[content_type]](rawToChar(req$bodyRaw))),
    error = function(error) conditionMessage(error)
  )
  if (is.character(rows)) return(refuse(res, 400, rows))
  if (anyNA(rows) || ncol(rows) != ncol(model$means)) {
    return(refuse(res, 400, sprintf("a row must have %d numbers", ncol(model$means))))
  }
  res$setHeader("Content-Type", accept)
  res$body <- writers[[accept]](classify(model, rows))
  res
}

main <- function() {
  # `invoke` reads the body itself, and reports its errors.
  plumber::register_parser("untouched", function(...) function(value, ...) NULL, regex = ".*")
  model <- readRDS(file.path(base, "model", "model.rds"))
  port <- as.integer(Sys.getenv("SAGEMAKER_BIND_TO_PORT", "8080"))
  server <- plumber::pr() |>
    plumber::pr_set_parsers("untouched") |>
    plumber::pr_get("/ping", function(res) {
      res$body <- ""
      res
    }) |>
    plumber::pr_post("/invocations", function(req, res) invoke(model, req, res)) |>
    plumber::pr_set_docs(FALSE)
  plumber::pr_run(server, host = "0.0.0.0", port = port, quiet = TRUE)
}

main()
