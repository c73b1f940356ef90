/*
 * Where we are: the part of the address behind "#", such as
 * #/stations/CP1/commands?q=reset
 */

/** The address of a page: to("stations", "A/B") is "#/stations/A%2FB". */
export function to(...path) {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

/** The address with a query. */
export function toQuery(path, query) {
  const text = new URLSearchParams(given(query)).toString();
  return to(...path) + (text ? `?${text}` : "");
}

function given(query) {
  return Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
}

/** {path: [...], query: {...}} of an address. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Keep the query in the address, without going anywhere. */
export function remember(query) {
  const { path } = parse(location.hash);
  history.replaceState(null, "", toQuery(path, query));
}
