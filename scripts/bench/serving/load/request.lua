-- wrk … -- CONTENT-TYPE ACCEPT BODY: one request to /invocations, as often as the server answers.
function init(arguments)
  wrk.method = "POST"
  wrk.path = "/invocations"
  wrk.headers["Content-Type"] = arguments[1]
  wrk.headers["Accept"] = arguments[2]
  wrk.body = arguments[3]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"rate": %.3f, "p50": %.3f, "p99": %.3f, "failed": %d}\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
