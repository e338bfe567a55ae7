// attack: throws a proxy that is no more
// expect: error

const { proxy, revoke } = Proxy.revocable(() => {}, {});
revoke();
throw proxy; // ESCAPED
