-- Every request spends the newest refresh token of a session that no other request is using.
-- Arguments: path, a file with one refresh token a line, the number of threads.

dofile("figures.lua")

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
end

function init(args)
  head = "POST " .. args[1] .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
  free, first, last = {}, 1, 0
  local line = 0
  for token in io.lines(args[2]) do
    line = line + 1
    if line % tonumber(args[3]) == thread_number - 1 then
      last = last + 1
      free[last] = token
    end
  end
end

function request()
  local token = free[first] or "none left"
  free[first] = nil
  first = math.min(first + 1, last + 1)
  local body = '{"refresh_token":"' .. token .. '"}'
  return head .. #body .. "\r\n\r\n" .. body
end

function response(status, headers, body)
  local token = string.match(body, '"refresh_token":"([^"]+)"')
  if token then
    last = last + 1
    free[last] = token
  end
end
