-- Frees a lock taken with SET NX PX, if it is still mine. KEYS[1]: the lock. ARGV[1]: my token.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
