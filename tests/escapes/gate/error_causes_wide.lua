-- attack: an error whose causes are a long chain around a wide one, which is read anew for each link
-- expect: ok "held"
-- limits: time=10

local e = {message = "root", context = {}}
for i = 1, 45000 do e.context["k" .. i] = i end
for i = 1, 28 do e = {message = "m" .. i, cause = e} end
for _, f in ipairs({errors.describe, errors.chain, errors.to_json, errors.categorize}) do f(e) end
local told = errors.describe(e)
local root = told
while root.cause do root = root.cause end
if root.message ~= "root" or not root.context.left_out then print("ESCAPED: it tells something else") end
return "held"
