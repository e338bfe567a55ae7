-- The rules of Promises/A+ 1.1 that a promise here must keep, one case or more a rule. A case has the number of
-- its rule in its name. `then` is a word of Lua itself, so the method is `next`, and `and_then`: that of a
-- table that is to be taken for a promise is `and_then`.

local results, order = {}, {}

local function case(name, f)
  order[#order + 1] = name
  local ok, e = pcall(f)
  results[name] = ok and "holds" or tostring(e)
end

local function is(got, wanted)
  if got ~= wanted then error("got " .. tostring(got) .. ", not " .. tostring(wanted), 2) end
end

local function pending()
  local resolve, reject
  local p = promise.new(function(a, b) resolve, reject = a, b end)
  return p, resolve, reject
end

-- Lets everything that is ready run.
local function turn() sleep(0) sleep(0) end

local function rejected(p)
  local ok, e = pcall(await, p)
  if ok then error("it was not rejected", 2) end
  return e
end

-- Every way a promise comes to its end: settled before or after, at once or later.
local function each_way(test)
  test(function() return promise.resolve("v") end, function() return promise.reject("r") end)
  test(function() local p, resolve = pending() async(function() resolve("v") end) return p end,
    function() local p, _, reject = pending() async(function() reject("r") end) return p end)
  test(function() return async(function() sleep(0.001) return "v" end) end,
    function() return async(function() sleep(0.001) error("r", 0) end) end)
end

-- 2.1 States.

case("2.1.1.1 a pending promise may become fulfilled or rejected", function()
  local p, resolve = pending()
  is(p:done(), false)
  resolve(1)
  is(await(p), 1)
  local q, _, reject = pending()
  is(q:done(), false)
  reject(2)
  is(rejected(q), 2)
end)

case("2.1.2.1 a fulfilled promise changes no more", function()
  local p, resolve, reject = pending()
  local calls = 0
  resolve(1)
  reject(2)
  resolve(3)
  p:next(function() calls = calls + 1 end, function() calls = calls + 10 end)
  turn()
  reject(4)
  turn()
  is(await(p), 1)
  is(calls, 1)
end)

case("2.1.2.2 a fulfilled promise keeps its value", function()
  local value = {}
  local p, resolve = pending()
  resolve(value)
  resolve({})
  is(await(p), value)
  is(await(p:next()), value)
end)

case("2.1.3.1 a rejected promise changes no more", function()
  local p, resolve, reject = pending()
  local calls = 0
  reject(1)
  resolve(2)
  p:next(function() calls = calls + 10 end, function() calls = calls + 1 end)
  turn()
  resolve(3)
  turn()
  is(rejected(p), 1)
  is(calls, 1)
end)

case("2.1.3.2 a rejected promise keeps its reason", function()
  local reason = {}
  local p, _, reject = pending()
  reject(reason)
  reject({})
  is(rejected(p), reason)
  is(rejected(p:next()), reason)
end)

-- 2.2 The method `next`.

case("2.2.1.1 a first handler that is no function is ignored", function()
  for _, odd in ipairs({false, 5, "x", {}, true}) do
    is(await(promise.resolve(1):next(odd, function() end)), 1)
    is(rejected(promise.reject(1):next(odd)), 1)
  end
  is(await(promise.resolve(1):next(nil, function() end)), 1)
end)

case("2.2.1.2 a second handler that is no function is ignored", function()
  for _, odd in ipairs({false, 5, "x", {}, true}) do
    is(rejected(promise.reject(1):next(function() end, odd)), 1)
    is(await(promise.resolve(1):next(function() return 2 end, odd)), 2)
  end
  is(rejected(promise.reject(1):next(function() end, nil)), 1)
end)

case("2.2.2.1 the first handler is called after it is fulfilled, with its value", function()
  each_way(function(fulfilled)
    local got
    local p = fulfilled()
    await(p:next(function(v) got = v is(p:done(), true) end))
    is(got, "v")
  end)
end)

case("2.2.2.2 the first handler is not called before", function()
  local p, resolve = pending()
  local called = false
  p:next(function() called = true end)
  turn()
  is(called, false)
  async(function() is(called, false) resolve() end)
  turn()
  is(called, true)
end)

case("2.2.2.2 the first handler is not called when it is rejected, nor never", function()
  local called = false
  promise.new(function() end):next(function() called = true end)
  promise.reject():next(function() called = true end):catch(function() end)
  turn()
  is(called, false)
end)

case("2.2.2.3 the first handler is called once", function()
  local p, resolve = pending()
  local calls = 0
  p:next(function() calls = calls + 1 end)
  resolve()
  resolve()
  async(function() resolve() sleep(0) resolve() end)
  turn()
  is(calls, 1)
end)

case("2.2.3.1 the second handler is called after it is rejected, with its reason", function()
  each_way(function(_, failed)
    local got
    local p = failed()
    await(p:next(nil, function(e) got = e is(p:done(), true) end))
    is(got, "r")
  end)
end)

case("2.2.3.2 the second handler is not called before", function()
  local p, _, reject = pending()
  local called = false
  p:catch(function() called = true end)
  turn()
  is(called, false)
  reject()
  turn()
  is(called, true)
end)

case("2.2.3.3 the second handler is called once", function()
  local p, _, reject = pending()
  local calls = 0
  p:catch(function() calls = calls + 1 end)
  reject()
  reject()
  async(function() reject() sleep(0) reject() end)
  turn()
  is(calls, 1)
end)

case("2.2.4 handlers are called when the code that attached them has given way", function()
  each_way(function(fulfilled, failed)
    local clean = false
    local a = fulfilled():next(function() is(clean, true) end)
    local b = failed():catch(function() is(clean, true) end)
    clean = true
    await(a)
    await(b)
  end)
end)

case("2.2.4 handlers are called when the code that settled it has given way", function()
  local p, resolve = pending()
  local clean = false
  local after = p:next(function() is(clean, true) end)
  resolve()
  clean = true
  await(after)
end)

case("2.2.4 a handler attached in a handler is called after that one", function()
  local inside, p = false, promise.resolve()
  local nested
  await(p:next(function()
    inside = true
    nested = p:next(function() is(inside, false) end)
    inside = false
  end))
  await(nested)
end)

case("2.2.4 handlers are called afresh inside coroutines and protected calls too", function()
  local clean = false
  local after
  coroutine.wrap(function() pcall(function() after = promise.resolve():next(function() is(clean, true) end) end) end)()
  clean = true
  await(after)
end)

case("2.2.5 handlers are called as functions, with one argument and no self", function()
  local count, first
  await(promise.resolve("v"):next(function(...) count, first = select("#", ...), (...) end))
  is(count, 1)
  is(first, "v")
  await(promise.reject("r"):catch(function(...) count, first = select("#", ...), (...) end))
  is(count, 1)
  is(first, "r")
end)

case("2.2.6.1 first handlers are called in the order they were attached", function()
  each_way(function(fulfilled)
    local p, log = fulfilled(), {}
    p:next(function() log[#log + 1] = 1 end)
    p:next(function() log[#log + 1] = 2 error("x") end):catch(function() end)
    p:catch(function() log[#log + 1] = "never" end)
    await(p:next(function() log[#log + 1] = 3 end))
    is(table.concat(log, ","), "1,2,3")
  end)
end)

case("2.2.6.1 a handler attached while they are called is called after them", function()
  local p, log = promise.resolve(), {}
  p:next(function() log[#log + 1] = 1 p:next(function() log[#log + 1] = 3 end) end)
  p:next(function() log[#log + 1] = 2 end)
  turn()
  is(table.concat(log, ","), "1,2,3")
end)

case("2.2.6.2 second handlers are called in the order they were attached", function()
  each_way(function(_, failed)
    local p, log = failed(), {}
    p:catch(function() log[#log + 1] = 1 end)
    p:catch(function() log[#log + 1] = 2 error("x") end):catch(function() end)
    p:next(function() log[#log + 1] = "never" end):catch(function() end)
    await(p:catch(function() log[#log + 1] = 3 end))
    is(table.concat(log, ","), "1,2,3")
  end)
end)

case("2.2.7 next gives a promise", function()
  local p = promise.resolve(1)
  local q = p:next()
  is(tostring(q), "promise")
  is(q ~= p, true)
  is(p:next() ~= q, true)
end)

case("2.2.7.1 what a handler returns resolves the promise", function()
  each_way(function(fulfilled, failed)
    is(await(fulfilled():next(function() return "x" end)), "x")
    is(await(failed():catch(function() return "x" end)), "x")
    is(await(fulfilled():next(function() end)), nil)
    is(await(fulfilled():next(function() return promise.resolve("y") end)), "y")
    is(rejected(failed():catch(function() return promise.reject("z") end)), "z")
  end)
end)

case("2.2.7.2 what a handler raises rejects the promise", function()
  each_way(function(fulfilled, failed)
    local reason = {}
    is(rejected(fulfilled():next(function() error(reason) end)), reason)
    is(rejected(failed():catch(function() error(reason) end)), reason)
    is(rejected(fulfilled():next(function() error("text", 0) end)), "text")
    is(rejected(fulfilled():next(function() error(promise, 0) end)), promise)
    is(rejected(fulfilled():next(function() fs.read("nonesuch") end)).code, "not_found")
  end)
end)

case("2.2.7.3 without a first handler the value is passed on", function()
  each_way(function(fulfilled) is(await(fulfilled():next():catch(function() end)), "v") end)
end)

case("2.2.7.4 without a second handler the reason is passed on", function()
  each_way(function(_, failed) is(rejected(failed():next():next(function() end)), "r") end)
end)

-- 2.3 Resolving with a value x.

case("2.3.1 a promise resolved with itself is rejected", function()
  local p, resolve = pending()
  resolve(p)
  is(rejected(p), "a promise cannot be resolved with itself")
  local q
  q = promise.resolve():next(function() return q end)
  is(rejected(q), "a promise cannot be resolved with itself")
  local task
  task = async(function() sleep(0) return task end)
  is(rejected(task), "a promise cannot be resolved with itself")
end)

case("2.3.2.1 a promise resolved with a pending one waits for it", function()
  local p, resolve = pending()
  local inner, settle = pending()
  resolve(inner)
  turn()
  is(p:done(), false)
  resolve("other")
  turn()
  is(p:done(), false)
  settle("inner")
  is(await(p), "inner")
end)

case("2.3.2.2 a promise resolved with a fulfilled one has its value", function()
  each_way(function(fulfilled)
    local p, resolve = pending()
    resolve(fulfilled())
    is(await(p), "v")
  end)
end)

case("2.3.2.3 a promise resolved with a rejected one has its reason", function()
  each_way(function(_, failed)
    local p, resolve = pending()
    resolve(failed())
    is(rejected(p), "r")
  end)
end)

case("2.3.3.1 the method is looked up once", function()
  local lookups = 0
  local x = setmetatable({}, {__index = function(_, key)
    if key == "and_then" then
      lookups = lookups + 1
      return function(_, resolve) resolve("v") end
    end
  end})
  is(await(promise.resolve(x)), "v")
  is(lookups, 1)
end)

case("2.3.3.2 an error in looking it up rejects", function()
  local reason = {}
  local x = setmetatable({}, {__index = function() error(reason) end})
  is(rejected(promise.resolve(x)), reason)
  is(rejected(promise.resolve():next(function() return x end)), reason)
  is(rejected(async(function() return x end)), reason)
end)

case("2.3.3.3 the method is called with the table and two functions, later", function()
  local self, count, a, b, clean
  local x = {}
  function x.and_then(...)
    self, count = ..., select("#", ...)
    a, b = select(2, ...)
    is(clean, true)
    a()
  end
  local p = promise.resolve(x)
  clean = true
  await(p)
  is(self, x)
  is(count, 3)
  is(type(a) .. type(b), "functionfunction")
end)

case("2.3.3.3.1 what it resolves with is resolved again", function()
  local function giving(y) return {and_then = function(_, resolve) resolve(y) end} end
  is(await(promise.resolve(giving("v"))), "v")
  is(await(promise.resolve(giving(giving(giving("v"))))), "v")
  is(await(promise.resolve(giving(promise.resolve("v")))), "v")
  is(rejected(promise.resolve(giving(promise.reject("r")))), "r")
  is(await(promise.resolve(giving(async(function() sleep(0.001) return "v" end)))), "v")
end)

case("2.3.3.3.2 what it rejects with is the reason", function()
  local function failing(r) return {and_then = function(_, _, reject) reject(r) end} end
  is(rejected(promise.resolve(failing("r"))), "r")
  local p = promise.resolve("v")
  is(rejected(promise.resolve(failing(p))), p)
end)

case("2.3.3.3.3 only the first call counts", function()
  local function doing(f) return await(promise.resolve({and_then = f})) end
  is(doing(function(_, a, b) a(1) a(2) b(3) end), 1)
  is(doing(function(_, a, b) a(promise.resolve(1)) a(2) b(3) end), 1)
  local slow, finish = pending()
  local p = promise.resolve({and_then = function(_, a, b) a(slow) b("no") a("no") end})
  turn()
  finish("slow")
  is(await(p), "slow")
  local ok, e = pcall(doing, function(_, a, b) b(1) b(2) a(3) end)
  is(ok, false)
  is(e, 1)
end)

case("2.3.3.3.4.1 an error after a call is ignored", function()
  is(await(promise.resolve({and_then = function(_, a) a(1) error("late") end})), 1)
  is(rejected(promise.resolve({and_then = function(_, _, b) b(1) error("late") end})), 1)
  local slow, finish = pending()
  local p = promise.resolve({and_then = function(_, a) a(slow) error("late") end})
  turn()
  finish("slow")
  is(await(p), "slow")
end)

case("2.3.3.3.4.2 an error before a call rejects", function()
  is(rejected(promise.resolve({and_then = function() error("early", 0) end})), "early")
  is(rejected(promise.resolve({and_then = function(_, a) async(a, 1) error("early", 0) end})), "early")
end)

case("2.3.3.4 a method that is no function makes it a value", function()
  for _, odd in ipairs({5, "x", {}, true}) do
    local x = {and_then = odd}
    is(await(promise.resolve(x)), x)
    local y = setmetatable({}, {__index = {and_then = odd}})
    is(await(promise.resolve(y)), y)
  end
end)

case("2.3.4 anything else is the value", function()
  for _, x in ipairs({1, "x", false, {}, {next = print}, print, null}) do
    is(await(promise.resolve(x)), x)
    is(await(promise.resolve():next(function() return x end)), x)
  end
  is(await(promise.resolve(nil)), nil)
end)

local told = {}
for i, name in ipairs(order) do told[i] = {name = name, outcome = results[name]} end
return told
