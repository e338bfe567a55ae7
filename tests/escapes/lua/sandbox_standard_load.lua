-- attack: finds load again by other names, in the sandbox standard
-- expect: ok true
-- sandbox: standard

for _, f in pairs({ _G.load, _G["lo" .. "ad"], rawget(_G, "loadstring"), _G._G and _G._G.load }) do
  print("ESCAPED", f)
end
return rawget(_G, "load") == nil
