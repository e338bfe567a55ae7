-- attack: raises values that cannot cross, as objects and in their message
-- expect: error runtime : the script raised table

local cycle = {}
cycle[1] = cycle
for _, value in ipairs({false, print, coroutine.create(print), cycle, null, 0 / 0, async(function() end), {message = cycle}}) do
  if pcall(error, value) then print("ESCAPED " .. type(value)) end
end
error({message = 0 / 0, code = {}, capability = print, retryable = cycle, [print] = print})
