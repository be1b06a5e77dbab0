-- Extends a lock taken with SET NX PX, if it is still mine. KEYS[1]: the lock. ARGV: my token, ms.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
