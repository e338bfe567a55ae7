-- attack: tries again for ever without waiting
-- expect: limit calls | limit time
-- limits: time=5

while true do
  pcall(errors.retry, function() error({message = "m", retryable = true}) end, {max_attempts = 1000, initial_delay = 0})
end
print("ESCAPED")
