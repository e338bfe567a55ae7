"""Runs Tengo on a plain Lua state: the language alone, without an engine."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lupa import lua54

import llmspell.tengo
from llmspell.tengo import STANDARD, TengoSyntaxError, compile_source
from llmspell.tengo.lexer import problem
from llmspell.tengo.positions import columns

FOLDER = Path(llmspell.tengo.__file__).parent

INSIDE = rb"""
local read, compile, print_, zone, ahead = ...
local inside = {
  error = error, pcall = pcall, rawequal = rawequal, select = select, type = type, next = next,
  rawget = rawget, rawset = rawset, rawlen = rawlen, setmetatable = setmetatable,
  raw_metatable = debug.getmetatable, set_metatable = debug.setmetatable, tonumber = tonumber,
  tostring = tostring, unpack = table.unpack, concat = table.concat, find = string.find,
  gsub = string.gsub, format = string.format, match = string.match, gmatch = string.gmatch,
  string = string, table = table, math = math, utf8 = utf8, os = os, weak = { __mode = "k" },
  getinfo = debug.getinfo, counted = function() end, look = function() end,
}
local parts, gsub, find = {}, string.gsub, string.find
function inside.need(name)
  name = gsub(name, "^tengo_", "")
  if parts[name] == nil then parts[name] = load(read(name), "=prelude")(inside) end
  return parts[name]
end
local need, traceback, string_of = inside.need, debug.traceback, tostring
local getinfo, load, xpcall = debug.getinfo, load, xpcall
local T = inside.need("runtime")
inside.need("order")
inside.need("operators")
inside.need("verbs")
inside.need("builtins")
T.write = print_
T.zone, T.ahead = zone, ahead
function T.sleep() end
local loaded, names = {}, {}
for name in inside.gmatch("fmt text math times rand json base64 hex enum", "%w+") do
  names[name] = true
end
T["import"] = function(name)
  if name == "user" then
    return T.immutable(T.set({ afunction = function() error("user runtime error", 0) end }, T.MAP))
  end
  if names[name] then return T.standard(name) end
  if loaded[name] == nil then
    loaded[name] = load(compile(name), "=" .. name, "t", { _tengo = T })(name)
  end
  return loaded[name]
end
function T.free(name) error("unresolved reference '" .. name .. "'", 0) end
function T.publish() end
function T.must(v) return v end
function T.export(module, v) if module then return T.immutable(v) end return v end
function T.finish(module, v) if module then return T.U end return v end

local function tell(v, depth)
  local name = T.type_name(v)
  if name == "undefined" then return { t = "undefined" } end
  local made = { t = name }
  if name == "int" then made.v = inside.format("%d", v)
  elseif name == "float" then made.v = T.float_text(v)
  elseif name == "bool" or name == "string" then made.v = v
  elseif name == "char" then made.v = T.char_text(v[T.KEY])
  elseif name == "time" then made.v = inside.format("%d", v[T.KEY])
  elseif name == "error" then made.v = tell(v[T.KEY])
  elseif name == "bytes" then
    made.t, made.n = "bytes", #v[T.KEY]
    made.v = v[T.KEY]
  elseif T.is_array(v) then
    local t = T.items_of(v)
    made.t, made.n = "array", T.length(t)
    for i = 0, made.n - 1 do made[i + 1] = tell(t[i]) end
  elseif T.is_map(v) then
    made.t, made.keys = "map", {}
    local keys, n = T.sorted_keys(T.items_of(v))
    for i = 1, n do made.keys[keys[i]] = tell(T.items_of(v)[keys[i]]) end
  end
  return made
end

return function(code, name, limit)
  T.max_string = limit
  local f, why = load(code, "=" .. name, "t", { _tengo = T })
  if not f then return "broken", why end
  local frames = {}
  local ok, v = xpcall(f, function(e)
    for level = 2, 200 do
      local info = getinfo(level, "Sl")
      if not info then break end
      local here = info.short_src
      local own = here == "prelude" or find(here, "python", 1, true) or info.what == "C"
      if info.currentline > 0 and not own then
        frames[#frames + 1] = info.short_src .. ":" .. inside.format("%d", info.currentline)
      end
    end
    return e
  end)
  if ok then return "value", tell(v) end
  return "error", string_of(v), frames
end
"""


class Broken(AssertionError):
    """The compiler made Lua that does not compile."""


class TengoError(Exception):
    """What a program failed with, as Tengo prints it."""


def _zone(name: bytes, seconds: int) -> int:
    """How many seconds local time is ahead, for the local time given as if it was UTC."""
    local = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    offset = local.replace(tzinfo=ZoneInfo(name.decode())).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _ahead(name: bytes, seconds: int) -> tuple[int, bytes]:
    """How many seconds a zone is ahead at a moment, and what it is called then."""
    moment = datetime.fromtimestamp(seconds, ZoneInfo(name.decode()))
    offset = moment.utcoffset()
    return int(offset.total_seconds()) if offset else 0, (moment.tzname() or "").encode()


def run(source: str, modules: dict[str, str] | None = None, limit: int = 2**31 - 1) -> Any:
    """The value of the variable `out`, as the vectors write values. Raises TengoError."""
    sources = {"test": source, **(modules or {})}
    lua = lua54.LuaRuntime(encoding=None, register_eval=False, unpack_returned_tuples=True)

    def compile_module(name: bytes) -> bytes:
        module = name.decode()
        return compile_source(sources[module], module).code.encode()

    try:
        code = _compiled(source, "test", "out", modules or {})
    except TengoSyntaxError as error:
        raise TengoError(error.trace) from None
    program = lua.execute(
        INSIDE, lambda name: (FOLDER / f"{name.decode()}.lua").read_bytes(), compile_module,
        lambda text: None, _zone, _ahead,
    )  # fmt: skip
    state, value, *more = program(code.encode(), b"test", limit)
    if state == b"broken":
        raise Broken(f"{value.decode()}\n{code}")
    if state == b"error":
        frames = [tuple(f.decode().rsplit(":", 1)) for f in (more[0].values() if more else ())]
        raise TengoError(
            columns(value.decode(), [(at, int(line)) for at, line in frames], sources.get, "out")
        )
    return _tell(value)


def _compiled(
    source: str, name: str, result: str, modules: dict[str, str], around: tuple[str, ...] = ()
) -> str:
    """Lua source. What it imports is compiled as well: all that is wrong is told before the run."""
    made = compile_source(source, name, result)
    for missing, place in made.free.items():
        raise problem("Compile", f"unresolved reference '{missing}'", source, name, place)
    for module, place in made.imports.items():
        if module in around:
            raise problem("Compile", f"cyclic module import: {module}", source, name, place)
        if module in modules:
            _compiled(modules[module], module, "result", modules, (*around, module))
        elif module not in STANDARD - {"os"} | {"user"}:
            raise problem("Compile", f"module '{module}' not found", source, name, place)
    return made.code


def _tell(told: Any) -> Any:
    kind = told[b"t"].decode()
    value = told[b"v"]
    if kind == "undefined":
        return {"t": kind}
    if kind == "array":
        return {"t": kind, "v": [_tell(told[i + 1]) for i in range(told[b"n"])]}
    if kind == "map":
        return {"t": kind, "v": {k.decode(): _tell(v) for k, v in told[b"keys"].items()}}
    if kind == "bytes":
        return {"t": kind, "v": list(value)}
    if kind == "error":
        return {"t": kind, "v": _tell(value)}
    return {"t": kind, "v": value.decode() if isinstance(value, bytes) else value}
