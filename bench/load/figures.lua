-- What a run found out, as one line of JSON; by itself the plain load, the same GET again and again.

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%.0f,"seconds":%.3f,"refused":%.0f,"broken":%.0f,"p50Ms":%.3f,"p99Ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
