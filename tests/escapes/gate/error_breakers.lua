-- attack: has the host keep circuit breakers without end
-- expect: limit calls | limit memory | limit time
-- limits: time=10, memory=1MB

for i = 1, 1000000 do errors.circuit_breaker() end
print("ESCAPED: a million breakers")
