-- The module os: what of it a spell may have, through the capabilities and what they are granted.

local inside = ...
local T = inside.tengo
local call = inside.call

return {
  getenv = T.host(function(name) return call("env.get", name) or "" end, "getenv"),
  read_file = T.host(function(path) return call("fs.read_bytes", path) end, "read_file"),
  exists = T.host(function(path) return call("fs.exists", path) end, "exists"),
  remove = T.host(function(path) return call("fs.remove", path) end, "remove"),
  rename = T.host(function(from, to) return call("fs.move", from, to) end, "rename"),
  mkdir_all = T.host(function(path) return call("fs.make_directory", path) end, "mkdir_all"),
}
