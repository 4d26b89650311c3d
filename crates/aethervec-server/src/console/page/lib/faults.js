// Errors of the API, taken apart: what is wrong, where in the text it is, and what can be done.

const REMEDIES = {
  invalid: "Mend the request and send it again.",
  unauthenticated: "Give a key of this server.",
  forbidden: "The key does not allow this: use another one, or ask the operator for the right.",
  not_found: "Look at the name: it may have been deleted, or belong to another tenant.",
  exists: "It is there already: choose another name.",
  conflict: "Another transaction came first: try again.",
  too_large: "Ask for less at a time.",
  overloaded: "The server has too much to do: try again in a moment.",
  deadline: "The server did not come to it in time: try again.",
  unavailable: "Try again in a moment.",
  unsupported: "This server does not do that.",
  internal: "The log of the server says more: the operator has to look.",
  unreachable: "The server does not answer: see whether it runs, then try again.",
};

/** Why a request was not answered: as the API says it, or `unreachable`. */
export class Fault extends Error {
  constructor(kind, message, requestId = null) {
    super(message);
    this.kind = kind;
    /** What the server's log calls the request. */
    this.requestId = requestId;
  }

  /** What can be done. */
  get remedy() {
    return REMEDIES[this.kind] ?? REMEDIES.internal;
  }
}

/** The fault that an answer with `status` and `text` tells. */
export function fromAnswer(status, text) {
  try {
    const { kind, message, request_id: requestId } = JSON.parse(text).error;
    return new Fault(kind, message, requestId);
  } catch {
    const kind = { 401: "unauthenticated", 403: "forbidden", 404: "not_found", 413: "too_large", 429: "overloaded", 503: "unavailable" }[status];
    return new Fault(kind ?? "internal", text.slice(0, 300) || `the server answered with status ${status}`);
  }
}

/**
 * The place of a fault in a filter's text: `{line, column, message, shown}`, or null. The API marks it:
 * `filter, line 1, column 8: expected a value\n  lang = and\n         ^^^`.
 */
export function inFilter(message) {
  const found = /filter, line (\d+), column (\d+): ([^\n]*)(?:\n {2}([^\n]*)\n {2}( *\^+))?/.exec(message);
  if (!found) return null;
  const [, line, column, text, source = "", marks = ""] = found;
  return { line: Number(line), column: Number(column), message: text, shown: source && `${source}\n${marks}` };
}

/** The place of a fault in a body of JSON: `{line, column, message}`, or null. */
export function inBody(message) {
  const found = /^(?:body: )?(.*) at line (\d+) column (\d+)$/s.exec(message);
  return found && { message: found[1], line: Number(found[2]), column: Number(found[3]) };
}
