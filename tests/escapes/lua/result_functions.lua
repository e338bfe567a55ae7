-- attack: returns what lives in the engine only: functions, coroutines, promises
-- expect: error runtime : is a function, which ends with the run

for _, value in ipairs({coroutine.create(print), async(function() end), coroutine.wrap(print)}) do
  if pcall(json.encode, {value}) then print("ESCAPED " .. type(value)) end
end
return {a = {b = print}}
