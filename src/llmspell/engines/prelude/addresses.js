// Addresses of the web, and what they ask for.

class URLSearchParams {
  #pairs = [];
  constructor(init = "") {
    if (typeof init === "string") {
      for (const part of init.replace(/^\?/, "").split("&")) {
        if (!part) continue;
        const [name, ...value] = part.split("=");
        this.append(unplus(name), unplus(value.join("=")));
      }
    } else if (init?.[Symbol.iterator]) {
      for (const [name, value] of init) this.append(name, value);
    } else {
      for (const name of keysOf(init)) this.append(name, init[name]);
    }
  }
  append(name, value) { this.#pairs.push([String_(name), String_(value)]); }
  delete(name, value) {
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== name || (value !== undefined && pair[1] !== String_(value)));
  }
  get(name) { return this.#pairs.find((pair) => pair[0] === name)?.[1] ?? null; }
  getAll(name) { return this.#pairs.filter((pair) => pair[0] === name).map((pair) => pair[1]); }
  has(name, value) { return this.#pairs.some((pair) => pair[0] === name && (value === undefined || pair[1] === String_(value))); }
  set(name, value) {
    const found = this.#pairs.find((pair) => pair[0] === name);
    if (!found) return this.append(name, value);
    this.#pairs = this.#pairs.filter((pair) => pair === found || pair[0] !== name);
    found[1] = String_(value);
  }
  sort() { this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); }
  get size() { return this.#pairs.length; }
  forEach(f) { for (const [name, value] of this.#pairs) f(value, name, this); }
  *entries() { yield* this.#pairs.map((pair) => [...pair]); }
  *keys() { for (const pair of this.#pairs) yield pair[0]; }
  *values() { for (const pair of this.#pairs) yield pair[1]; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([name, value]) => `${plus(name)}=${plus(value)}`).join("&"); }
}
const plus = (text) => encodeURIComponent(text.toWellFormed()).replace(/%20/g, "+").replace(/[!'()~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
const unplus = (text) => {
  const spaced = text.replace(/\+/g, " ");
  try { return decodeURIComponent(spaced); } catch { return spaced; }
};

const PORTS = { "http:": "80", "https:": "443", "ftp:": "21", "ws:": "80", "wss:": "443" };
const PARTS = /^([a-z][a-z0-9+.-]*:)(?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(\[[^\]]*\]|[^:/?#]*)(?::([0-9]*))?)?([^?#]*)(\?[^#]*)?(#.*)?$/i;

class URL {
  protocol; username; password; hostname; port;
  constructor(text, base) {
    text = String_(text).trim();
    let found = PARTS.exec(text);
    if (!found && base !== undefined) {
      const from = new URL(base), { protocol } = from, root = from.origin === "null" ? protocol : `${protocol}//${from.host}`;
      const whole = text.startsWith("//") ? protocol + text
        : text.startsWith("/") ? root + text
        : text.startsWith("?") ? root + from.pathname + text
        : text.startsWith("#") ? root + from.pathname + from.search + text
        : text === "" ? root + from.pathname + from.search
        : root + from.pathname.replace(/[^/]*$/, "") + text;
      found = PARTS.exec(whole);
    }
    if (!found) throw new TypeError(`URL: ${text} is not a URL`);
    const [, protocol, username = "", password = "", host, port = "", path = "", search = "", hash = ""] = found;
    this.protocol = protocol.toLowerCase();
    if (this.protocol in PORTS && !host) throw new TypeError(`URL: ${text} is not a URL`);
    this.username = username;
    this.password = password;
    this.hostname = (host ?? "").toLowerCase();
    this.port = port === PORTS[this.protocol] ? "" : port;
    const special = this.protocol in PORTS, out = [];
    if (special) {
      const steps = path.replace(/\\/g, "/").split("/").slice(1);
      steps.forEach((step, i) => {
        const dots = step.replace(/%2e/gi, ".");
        if (dots === "..") out.pop();
        if (dots !== ".." && dots !== ".") out.push(step);
        else if (i === steps.length - 1) out.push("");
      });
    }
    this.pathname = special ? "/" + out.join("/") : path;
    this.searchParams = new URLSearchParams(search);
    this.#search = safe(search === "?" ? "" : search);
    this.#shown = this.searchParams.toString();
    this.hash = hash;
  }
  #search;
  #shown;
  #pathname;
  #hash;
  get pathname() { return this.#pathname; }
  set pathname(text) {
    text = safe(String_(text).replace(/[?#]/g, encodeURIComponent));
    this.#pathname = this.protocol in PORTS && text[0] !== "/" ? `/${text}` : text;
  }
  get hash() { return this.#hash; }
  set hash(text) {
    text = String_(text).replace(/^#/, "");
    this.#hash = text && safe(`#${text}`);
  }
  set search(text) {
    text = String_(text).replace(/^\?/, "").replace(/#/g, "%23");
    this.#search = text && safe(`?${text}`);
    this.searchParams = new URLSearchParams(text);
    this.#shown = this.searchParams.toString();
  }
  get search() {
    const now = this.searchParams.toString();
    return now === this.#shown ? this.#search : now && `?${now}`;
  }
  get host() { return this.hostname + (this.port && `:${this.port}`); }
  get origin() { return this.protocol in PORTS ? `${this.protocol}//${this.host}` : "null"; }
  get href() {
    const user = this.username && `${this.username}${this.password && `:${this.password}`}@`;
    const slashes = this.hostname || this.protocol in PORTS || this.protocol === "file:" ? "//" : "";
    return `${this.protocol}${slashes}${user}${this.host}${this.pathname}${this.search}${this.hash}`;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
  static canParse(text, base) {
    try { return Boolean(new URL(text, base)); } catch { return false; }
  }
}
const safe = (text) => text.replace(/[\s"<>`{}\u0080-\uffff]+/g, (part) => encodeURI(part.toWellFormed()));
