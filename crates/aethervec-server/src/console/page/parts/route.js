// Where in the console one is, as the part of the address behind #. Links are plain links.
//
//   #/collections   #/collections/NAME/VIEW?open=ID…   #/live      each with ?tenant=NAME

/** What an address says: `{path: [part, …], tenant, params}`. */
export function read(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const params = Object.fromEntries(new URLSearchParams(query));
  const { tenant = "", ...others } = params;
  return { path: path.split("/").filter(Boolean).map(decode), tenant, params: others };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place. */
export function link(path, { tenant = "", ...params } = {}) {
  const all = Object.entries({ tenant, ...params }).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(all).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${query && `?${query}`}`;
}

/** Changes the parameters of the present address, without a new entry in the history and without a new view. */
export function amend(params) {
  const now = read();
  history.replaceState(null, "", link(now.path, { tenant: now.tenant, ...now.params, ...params }));
}
