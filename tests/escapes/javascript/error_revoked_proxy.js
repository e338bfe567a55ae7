// attack: throws a proxy that is no more
// expect: error runtime : an error that cannot be told

const { proxy, revoke } = Proxy.revocable(() => {}, {});
revoke();
throw proxy; // ESCAPED
