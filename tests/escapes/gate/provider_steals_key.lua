-- attack: has the key of a provider sent to an address of the script
-- expect: ok ["bad_argument","bad_argument","bad_argument","bad_argument","bad_argument"]
-- allow: llm:*, net:{server}

local codes = {}
for i, given in ipairs({
  { provider = "openai", base_url = "http://{server}/v1" },
  { base_url = "http://{server}/v1", api_key_env = "OPENAI_API_KEY" },
  { base_url = "http://{server}/v1", api_key = "${OPENAI_API_KEY}" },
  { base_url = "http://{server}/v1", kind = "openai" },
  { base_url = "http://x@{server}/v1" },
}) do
  local ok, err = pcall(llm.providers.create, "mine" .. i, given)
  if ok then print("ESCAPED " .. i) end
  codes[i] = err.code
end
return codes
