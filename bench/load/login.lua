-- Every login posts a code that was never used before, as wx.login does.
-- Arguments: path, a number that no earlier run had, how many users there are (0: every login is a new user's).

dofile("figures.lua")

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
end

function init(args)
  run, users, count = tonumber(args[2]), tonumber(args[3]), 0
  head = "POST " .. args[1] .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
  math.randomseed(run * 100 + thread_number)
end

function request()
  count = count + 1
  local unique = (run * 16 + thread_number) * 1e8 + count
  local user = users > 0 and math.random(users) or unique
  local body = string.format('{"code":"u%.0f-%.0f"}', user, unique)
  return head .. #body .. "\r\n\r\n" .. body
end
