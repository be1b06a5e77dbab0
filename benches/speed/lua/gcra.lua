-- GCRA as people write it in a script: seconds as doubles, the server's clock, one number a key.
-- KEYS[1]: the limiter. ARGV: burst, count, period in seconds, cost.
-- Answers {1 or 0, remaining, seconds to wait or -1, seconds until full}, the seconds as text.
local burst = tonumber(ARGV[1])
local interval = tonumber(ARGV[3]) / tonumber(ARGV[2])
local cost = tonumber(ARGV[4])

local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000

local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat < now then
  tat = now
end

local next_tat = tat + interval * cost
local wait = next_tat - interval * burst - now
if wait > 0 then
  return {0, math.floor(burst - (tat - now) / interval), tostring(wait), tostring(tat - now)}
end

redis.call('SET', KEYS[1], next_tat, 'PX', math.ceil((next_tat - now) * 1000))
return {1, math.floor(-wait / interval), '-1', tostring(next_tat - now)}
