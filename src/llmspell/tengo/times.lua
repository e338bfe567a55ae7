-- The module times, and how times are shown. A time is nanoseconds since 1970, and the zone in which it
-- is shown, if that is not UTC. The rules of zones are the host's: T.ahead and T.zone ask for them.

local inside = ...
local T = inside.tengo
local type, next, tonumber, setmetatable = inside.type, inside.next, inside.tonumber, inside.setmetatable
local sub, find, match, gsub, format, concat, counted, rep = inside.string.sub, inside.find, inside.match, inside.gsub,
  inside.format, inside.concat, inside.counted, inside.string.rep
local type_name, rawget, rawset = T.type_name, inside.rawget, inside.rawset
local U, KEY, ZONE, ERA = T.U, T.KEY, T.ZONE, T.ERA
local SECOND = 1000000000
local DAY = 86400

local MONTHS = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" }
local DAYS = { [0] = "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }

-- Days since 1970 of a date, and back: the calendar repeats every 400 years.
local function days_of(year, month, day)
  year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
  if month <= 2 then year = year - 1 end
  local era, of_era = year // 400, year % 400
  local of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local function date_of(days)
  local z = days + 719468
  local era, of_era = z // 146097, z % 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local m = (5 * of_year + 2) // 153
  local month = m + (m < 10 and 3 or -9)
  return year + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * m + 2) // 5 + 1
end

-- A time in a zone; nil and an error value where there is no such zone.
local function in_zone(v, name)
  local made = T.new_time(v[KEY], nil, rawget(v, ERA))
  if name == "UTC" or name == "Local" or name == "" then return made end
  local ahead, short = T.ahead(name, (T.clock_of(v)))
  if not ahead then return nil, short end
  rawset(made, ZONE, { name = name, ahead = ahead, short = short })
  return made
end

local function fixed(seconds, nano, ahead, name)
  local made = T.time_at(seconds, nano)
  rawset(made, ZONE, { name = name, ahead = ahead, short = name, fixed = true })
  return made
end

-- The zone of a time, with what it is at that moment.
local AT_UTC = { name = "UTC", ahead = 0, short = "UTC" }
local function zone_of(v)
  local zone = rawget(v, ZONE) or AT_UTC
  if not zone.ahead then
    zone.ahead, zone.short = T.ahead(zone.name, (T.clock_of(v)))
    if not zone.ahead then return AT_UTC end       -- a moment that the host has no calendar for
  end
  return zone
end

local function parts(v)
  local seconds, nano = T.clock_of(v)
  seconds = seconds + zone_of(v).ahead
  local days, rest = seconds // DAY, seconds % DAY
  local year, month, day = date_of(days)
  return { year = year, month = month, day = day, hour = rest // 3600, minute = rest // 60 % 60, second = rest % 60, nano = nano,
    weekday = (days + 4) % 7, yearday = days - days_of(year, 1, 1) + 1 }
end

local function seconds_of(year, month, day, hour, minute, second)
  return days_of(year, month, 1) * DAY + (day - 1) * DAY + hour * 3600 + minute * 60 + second
end

-- Layouts. --------------------------------------------------------------------------------------------

local WORDS = {
  "January", "Jan", "Monday", "Mon", "MST", "2006", "Z07:00:00", "Z070000", "Z07:00", "Z0700", "Z07", "-07:00:00", "-070000",
  "-07:00", "-0700", "-07", "002", "__2", "01", "02", "03", "04", "05", "06", "15", "PM", "pm", "_2", "1", "2", "3", "4", "5",
}
local SHORT = { Jan = true, Mon = true }

-- The next word of a layout at a place, or nil.
local function word_at(layout, at)
  local dots = match(layout, "^[.,]0+", at) or match(layout, "^[.,]9+", at)
  if dots and not find(layout, "^%d", at + #dots) then return dots end
  for _, word in next, WORDS do
    if sub(layout, at, at + #word - 1) == word and not (SHORT[word] and find(layout, "^%l", at + 3))
      and not (word == "_2" and sub(layout, at, at + 4) == "_2006") then
      return word
    end
  end
end

-- What a zone is ahead, as "-07:00:00" and its like ask for it.
local function ahead_text(word, ahead)
  local colon = find(word, ":", 1, true) and ":" or ""
  local size = #gsub(word, "[^%d]", "")
  local left = ahead < 0 and -ahead or ahead
  local text = format("%s%02d", ahead < 0 and "-" or "+", left // 3600)
  if size >= 4 then text = text .. colon .. format("%02d", left // 60 % 60) end
  if size >= 6 then text = text .. colon .. format("%02d", left % 60) end
  return text
end

local function show(v, layout)
  local p, zone = parts(v), zone_of(v)
  local twelve = p.hour % 12 == 0 and 12 or p.hour % 12
  local texts = {
    January = MONTHS[p.month], Jan = sub(MONTHS[p.month], 1, 3), Monday = DAYS[p.weekday], Mon = sub(DAYS[p.weekday], 1, 3), 
    MST = zone.short ~= "" and zone.short or ahead_text("-0700", zone.ahead),
    ["2006"] = format("%04d", p.year), ["06"] = format("%02d", p.year % 100), ["01"] = format("%02d", p.month), ["1"] = p.month, ["02"] = format("%02d", p.day),
    ["_2"] = format("%2d", p.day), ["2"] = p.day, ["15"] = format("%02d", p.hour), ["03"] = format("%02d", twelve), ["3"] = twelve,
    ["04"] = format("%02d", p.minute), ["4"] = p.minute, ["05"] = format("%02d", p.second), ["5"] = p.second, ["002"] = format("%03d", p.yearday),
    __2 = format("%3d", p.yearday),
    PM = p.hour >= 12 and "PM" or "AM", pm = p.hour >= 12 and "pm" or "am",
  }
  local out, at = {}, 1
  while at <= #layout do
    counted()
    local word = word_at(layout, at)
    if not word then
      out[#out + 1] = sub(layout, at, at)
      at = at + 1
    else
      local text = texts[word]
      if find(word, "^[.,]") then
        text = sub(word, 1, 1) .. sub(format("%09d", p.nano), 1, #word - 1)
        if sub(word, 2, 2) == "9" then text = gsub(gsub(text, "0+$", ""), "^[.,]$", "") end
      elseif find(word, "^Z") and zone.ahead == 0 then text = "Z"
      elseif find(word, "^[Z-]07") then text = ahead_text(word, zone.ahead) end
      out[#out + 1] = text
      at = at + #word
    end
  end
  return concat(out)
end

function T.time_text(v, layout)
  return show(v, layout or "2006-01-02 15:04:05.999999999 -0700 MST")
end

-- The most that a number may be.
local LIMITS = { ["15"] = { "hour", 23 }, ["3"] = { "hour", 12 }, ["03"] = { "hour", 12 }, ["4"] = { "minute", 59 }, ["04"] = { "minute", 59 },
  ["5"] = { "second", 59 }, ["05"] = { "second", 59 } }

-- What a layout says from a place on up to its next word.
local function literal_at(layout, at)
  local stop = at
  while stop <= #layout and not word_at(layout, stop) do
    counted()
    stop = stop + 1
  end
  return sub(layout, at, stop - 1)
end

-- The short name of a zone that a text starts with: three letters, or four or five that end in T, or what it is ahead.
local function zone_name(s)
  local ahead = match(s, "^GMT([+-]%d+)")
  if ahead and tonumber(ahead) > -24 and tonumber(ahead) < 24 then return "GMT" .. ahead end
  local signed = match(s, "^[+-]%d%d")
  if signed then return signed end
  local letters = match(s, "^%u+") or ""
  if #letters == 3 or letters == "WITA" or (#letters == 4 or #letters == 5) and sub(letters, -1) == "T" then return letters end
end

local function read(layout, value)
  local p = { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, nano = 0, ahead = 0, name = "" }
  local at, i = 1, 1
  local function wrong(word, from)
    return nil, "parsing time " .. T.quote(value) .. " as " .. T.quote(layout) .. ": cannot parse " .. T.quote(sub(value, from)) .. " as " .. T.quote(word)
  end
  local function beyond(what) return nil, "parsing time " .. T.quote(value) .. ": " .. what .. " out of range" end
  local function digits(least, most)
    local found = match(value, "^%d+", i)
    if not found or #found < least then return nil end
    found = sub(found, 1, most)
    i = i + #found
    return tonumber(found)
  end
  local function name(list, short)
    for k, full in next, list do
      local text = short and sub(full, 1, 3) or full
      if inside.string.lower(sub(value, i, i + #text - 1)) == inside.string.lower(text) then
        i = i + #text
        return k
      end
    end
  end
  local half
  while at <= #layout do
    counted()
    local word, v = word_at(layout, at), true
    if not word then
      if sub(layout, at, at) ~= sub(value, i, i) then return wrong(literal_at(layout, at), i) end
      at, i = at + 1, i + 1
    else
      local from = i
      at = at + #word
      if word == "2006" then v = digits(4, 4) p.year = v
      elseif word == "06" then
        v = digits(2, 2)
        p.year = v and (v >= 69 and v + 1900 or v + 2000)
      elseif word == "01" or word == "1" then v = digits(#word, 2) p.month = v
      elseif word == "02" or word == "2" or word == "_2" then
        if word == "_2" and sub(value, i, i) == " " then i = i + 1 end
        v = digits(word == "02" and 2 or 1, 2)
        p.day = v
      elseif word == "15" or word == "03" or word == "3" then v = digits(word == "3" and 1 or 2, 2) p.hour = v
      elseif word == "04" or word == "4" then v = digits(#word, 2) p.minute = v
      elseif word == "05" or word == "5" then
        v = digits(#word, 2)
        p.second = v
        local part = v and match(value, "^[.,](%d+)", i)
        if part and not find(layout, "^[.,][09]", at) then
          i = i + 1 + #part
          p.nano = tonumber(sub(part .. "000000000", 1, 9))
        end
      elseif find(word, "^[.,]") then
        local part = match(value, "^[.,](%d+)", i)
        if sub(word, 2, 2) == "0" then part = part and #part >= #word - 1 and sub(part, 1, #word - 1) or nil end
        if part then
          i = i + 1 + #part
          p.nano = tonumber(sub(part .. "000000000", 1, 9))
        elseif sub(word, 2, 2) == "0" then v = nil end
      elseif word == "January" then v = name(MONTHS) p.month = v
      elseif word == "Jan" then v = name(MONTHS, true) p.month = v
      elseif word == "Monday" then v = name(DAYS)
      elseif word == "Mon" then v = name(DAYS, true)
      elseif word == "PM" or word == "pm" then
        half = sub(value, i, i + 1)
        v = inside.string[word == "PM" and "upper" or "lower"](half) == half and find(half, "^[AaPp][Mm]$")
        i, from, half = i + 2, #half == 2 and i + 2 or i, inside.string.lower(half)
      elseif word == "MST" then
        v = zone_name(sub(value, i, i + 9))
        p.name = v
        i = i + #(v or "")
        if v and find(v, "^GMT.") then p.shown = tonumber(sub(v, 4)) * 3600 end
      elseif find(word, "^Z") and sub(value, i, i) == "Z" then i = i + 1
      elseif find(word, "07", 1, true) then
        local colon = find(word, ":", 1, true)
        local size = #gsub(word, "[^%d]", "")
        local mark = colon and ":" or ""
        local sign, hour, minute, second, after = match(value, "^([+-])(%d%d)" .. (size > 2 and mark .. "(%d%d)" or "()")
          .. (size > 4 and mark .. "(%d%d)" or "()") .. "()", i)
        v = sign
        if sign then
          minute, second = size > 2 and tonumber(minute) or 0, size > 4 and tonumber(second) or 0
          if tonumber(hour) > 24 then return beyond("time zone offset hour") end
          if minute > 60 then return beyond("time zone offset minute") end
          p.ahead = (tonumber(hour) * 3600 + minute * 60 + second) * (sign == "-" and -1 or 1)
          i = after
        end
      elseif word == "002" or word == "__2" then
        if word == "__2" then i = match(value, "^ ? ?()", i) end
        v = digits(word == "002" and 3 or 1, 3)
        p.of_year = v
      end
      if not v then return wrong(word, from) end
      if (word == "1" or word == "01") and (p.month < 1 or p.month > 12) then return beyond("month") end
      local limit = LIMITS[word]
      if limit and p[limit[1]] > limit[2] then return beyond(limit[1]) end
    end
  end
  if i <= #value then return nil, "parsing time " .. T.quote(value) .. ": extra text: " .. T.quote(sub(value, i)) end
  if half == "pm" and p.hour < 12 then p.hour = p.hour + 12 elseif half == "am" and p.hour == 12 then p.hour = 0 end
  if p.of_year then
    if p.of_year < 1 or p.of_year > days_of(p.year + 1, 1, 1) - days_of(p.year, 1, 1) then return beyond("day-of-year") end
    p.month, p.day = 1, p.of_year
  elseif p.day < 1 or p.day > days_of(p.year, p.month + 1, 1) - days_of(p.year, p.month, 1) then return beyond("day") end
  local seconds = seconds_of(p.year, p.month, p.day, p.hour, p.minute, p.second) - p.ahead
  if p.ahead == 0 and not p.shown and (p.name == "" or p.name == "UTC") then return T.time_at(seconds, p.nano) end
  return fixed(seconds, p.nano, p.shown or p.ahead, p.name)
end

-- Durations. -------------------------------------------------------------------------------------------

local UNITS = { ns = 1, us = 1000, ["\xC2\xB5s"] = 1000, ["\xCE\xBCs"] = 1000, ms = 1000000, s = SECOND, m = 60 * SECOND, h = 3600 * SECOND }

local MOST = inside.math.maxinteger
-- Nanoseconds; nil and what is wrong with the text. They are reckoned below zero, where there is one more.
local function duration(s)
  local sign, rest = match(s, "^([+-]?)(.*)$")
  if rest == "0" then return 0 end
  local total, at = 0, 1
  local invalid = "invalid duration"
  if rest == "" or #rest > 200 then return nil, invalid end
  while at <= #rest do
    local whole, point, part, unit, after = match(rest, "^(%d*)(%.?)(%d*)([^%d.]*)()", at)
    if whole == "" and part == "" then return nil, invalid end
    if unit == "" then return nil, "missing unit in duration" end
    local scale = UNITS[unit]
    if not scale then return nil, "unknown unit " .. T.quote(unit) .. " in duration" end
    local digits = whole == "" and 0 or inside.math.tointeger(tonumber("-" .. whole))
    if not digits or digits < -MOST // scale - 1 then return nil, invalid end
    digits = digits * scale - inside.math.floor(tonumber("0." .. part .. "0") * scale)
    if digits > 0 or total < inside.math.mininteger - digits then return nil, invalid end
    total, at = total + digits, after
  end
  if sign == "-" then return total end
  if total == inside.math.mininteger then return nil, invalid end
  return -total
end

local function duration_text(d)
  if d == 0 then return "0s" end
  if d == inside.math.mininteger then return "-2562047h47m16.854775808s" end
  local sign = d < 0 and "-" or ""
  if d < 0 then d = -d end
  local function decimal(v, unit)
    return T.float_text(v / unit)
  end
  if d < 1000 then return sign .. d .. "ns" end
  if d < 1000000 then return sign .. decimal(d, 1000) .. "\xC2\xB5s" end
  if d < SECOND then return sign .. decimal(d, 1000000) .. "ms" end
  local whole, nano = d // SECOND, d % SECOND
  local part = nano > 0 and gsub(format(".%09d", nano), "0+$", "") or ""
  local text = whole % 60 .. part .. "s"
  if whole >= 60 then text = whole // 60 % 60 .. "m" .. text end
  if whole >= 3600 then text = whole // 3600 .. "h" .. text end
  return sign .. text
end

-- The module. --------------------------------------------------------------------------------------------

local M = {
  format_ansic = "Mon Jan _2 15:04:05 2006", format_unix_date = "Mon Jan _2 15:04:05 MST 2006", format_ruby_date = "Mon Jan 02 15:04:05 -0700 2006",
  format_rfc822 = "02 Jan 06 15:04 MST", format_rfc822z = "02 Jan 06 15:04 -0700", format_rfc850 = "Monday, 02-Jan-06 15:04:05 MST",
  format_rfc1123 = "Mon, 02 Jan 2006 15:04:05 MST", format_rfc1123z = "Mon, 02 Jan 2006 15:04:05 -0700", format_rfc3339 = "2006-01-02T15:04:05Z07:00",
  format_rfc3339_nano = "2006-01-02T15:04:05.999999999Z07:00", format_kitchen = "3:04PM", format_stamp = "Jan _2 15:04:05", format_stamp_milli = "Jan _2 15:04:05.000",
  format_stamp_micro = "Jan _2 15:04:05.000000", format_stamp_nano = "Jan _2 15:04:05.000000000",
  nanosecond = 1, microsecond = 1000, millisecond = 1000000, second = SECOND, minute = 60 * SECOND, hour = 3600 * SECOND,
}
for i, name in next, MONTHS do M[inside.string.lower(name)] = i end

local ORDINAL = { "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth" }
local NEEDS = { t = "time(compatible)", i = "int(compatible)", s = "string(compatible)" }

local function define(name, kinds, f, optional)
  local shown = "user-function:" .. name
  M[name] = T.known(shown, function(...)
    local args = { ... }
    for i = 1, inside.select("#", ...) do
      local v, kind, made = args[i], sub(kinds, i, i), nil
      if kind == "t" then
        if type_name(v) == "time" then made = v elseif T.is_int(v) then made = T.time_at(v, 0) end
      elseif kind == "i" then made = T.to_int(v)
      else made = T.to_string(v) end
      if made == nil then T.wrong_type(shown, ORDINAL[i], NEEDS[kind], v) end
      args[i] = made
    end
    return f(inside.unpack(args, 1, #kinds))
  end, #kinds - (optional or 0), #kinds)
end

-- The time that clocks of a zone show: of the zone with a name, or of another time.
local function shown(seconds, nano, name, of)
  local zone = of and rawget(of, ZONE) or { name = name or "UTC" }
  seconds, nano = seconds + nano // SECOND, nano % SECOND
  if zone.fixed then return T.time_at(seconds - zone.ahead, nano, of) end
  local ahead = 0
  if zone.name ~= "UTC" and zone.name ~= "Local" and zone.name ~= "" then ahead = T.zone(zone.name, seconds) end
  local made, why = in_zone(T.time_at(seconds - ahead, nano), zone.name)
  return made or why
end

define("sleep", "i", function(d)
  T.sleep(d / SECOND)
  return U
end)
define("parse_duration", "s", function(s)
  local d, why = duration(s)
  return d or T.error("time: " .. why .. " " .. T.quote(s))
end)
define("since", "t", function(t) return T.apart(T.new_time(T.now()), t) end)
define("until", "t", function(t) return T.apart(t, T.new_time(T.now())) end)
define("duration_hours", "i", function(d) return d / (3600 * SECOND) end)
define("duration_minutes", "i", function(d) return d / (60 * SECOND) end)
define("duration_seconds", "i", function(d) return d / SECOND end)
define("duration_nanoseconds", "i", function(d) return d end)
define("duration_string", "i", duration_text)
define("duration_round", "ii", function(d, by)
  if by <= 0 then return d end
  local r = inside.math.fmod(d, by)                -- halves go away from zero
  local back = r < 0 and -r or r
  if back < by - back then return d - r end
  return d < 0 and d - by - r or d + by - r
end)
define("duration_truncate", "ii", function(d, by) return by <= 0 and d or d - inside.math.fmod(d, by) end)
define("month_string", "i", function(m) return MONTHS[m] or "%!Month(" .. m .. ")" end)
define("date", "iiiiiiis", function(year, month, day, hour, minute, second, nano, zone)
  return shown(seconds_of(year, month, day, hour, minute, second), nano, zone)
end, 1)
define("now", "", function() return T.new_time(T.now()) end)
define("parse", "ss", function(layout, value)
  local v, why = read(layout, value)
  return v or T.error(why)
end)
define("unix", "ii", function(seconds, nano) return T.time_at(seconds + nano // SECOND, nano % SECOND) end)
define("add", "ti", function(t, d) return T.later(t, d) end)
define("sub", "tt", T.apart)
define("add_date", "tiii", function(t, years, months, days)
  local p = parts(t)
  return shown(seconds_of(p.year + years, p.month + months, p.day + days, p.hour, p.minute, p.second), p.nano, nil, t)
end)
define("after", "tt", function(a, b) return a > b end)
define("before", "tt", function(a, b) return a < b end)
for _, pair in next, { { "year", "year" }, { "month", "month" }, { "day", "day" }, { "weekday", "weekday" }, { "hour", "hour" },
    { "minute", "minute" }, { "second", "second" }, { "nanosecond", "nano" } } do
  define("time_" .. pair[1], "t", function(t) return parts(t)[pair[2]] end)
end
define("time_unix", "t", function(t) return (T.clock_of(t)) end)
define("time_unix_nano", "t", function(t) return t[KEY] end)
define("time_format", "ts", function(t, layout) return T.limited(show(t, layout)) end)
define("time_location", "t", function(t) return zone_of(t).name end)
define("time_string", "t", function(t) return T.time_text(t) end)
define("is_zero", "t", T.is_zero)
for _, name in next, { "to_local", "to_utc" } do
  define(name, "t", function(t) return T.new_time(t[KEY], nil, rawget(t, ERA)) end)
end
define("in_location", "ts", function(t, zone)
  local made, why = in_zone(t, zone)
  return made or why
end)
return M
