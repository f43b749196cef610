-- wrk script: every request creates another account under a key of its own; answers other than 201 are failures.
local seed = os.time() .. "-" .. (os.getenv("WHO") or "0")
local count = 0
local threads = {}
failed, created = 0, 0

function setup(thread) table.insert(threads, thread) end

function request()
  count = count + 1
  local who = seed .. "-" .. count
  return wrk.format("POST", "/api/v1/accounts",
    { ["content-type"] = "application/json", ["idempotency-key"] = "bench:" .. who },
    '{"full_name":"Siti Nurhaliza Wijaya","email":"siti.' .. who .. '@example.org","password":"a-long-password-1"}')
end

function response(status)
  if status == 201 then created = created + 1 else failed = failed + 1 end
end

function done(summary, latency)
  local good, bad = 0, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do
    good = good + thread:get("created")
    bad = bad + thread:get("failed")
  end
  print(string.format("created %d failed %d seconds %f p99 %f",
    good, bad, summary.duration / 1e6, latency:percentile(99) / 1e6))
end
