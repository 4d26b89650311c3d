// Numbers, sizes and times as people read them; documents' ids as the API spells them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** 12345 → 12,345; what lies between two, as on an axis, with its digits: 0.5 */
export function count(number) {
  return number === null || number === undefined ? "–" : Number.isInteger(number) ? whole.format(number) : digits(number);
}

/** 1536 → 1.5 KiB */
export function bytes(number) {
  return scaled(number, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
}

/** Seconds: 0.0012 → 1.2 ms */
export function seconds(number) {
  if (!Number.isFinite(number)) return "–";
  if (number === 0) return "0 s";
  if (number < 1e-3) return `${digits(number * 1e6)} µs`;
  if (number < 1) return `${digits(number * 1e3)} ms`;
  return number < 120 ? `${digits(number)} s` : `${digits(number / 60)} min`;
}

/** A figure that may be large or small: 1234567 → 1.23 M, 0.123456 → 0.123 */
export function figure(number) {
  return number >= 10_000 ? scaled(number, 1000, ["", "k", "M", "G", "T"]) : digits(number);
}

/** A rate: 12.3/s */
export function perSecond(number) {
  return Number.isFinite(number) ? `${figure(number)}/s` : "–";
}

/** 0.987 → 98.7 % */
export function percent(number) {
  if (!Number.isFinite(number)) return "–";
  return `${Number((number * 100).toFixed(1))} %`;
}

/** A score or distance, with the digits that an f32 has. */
export function score(number) {
  return Number.isFinite(number) ? Number(number.toPrecision(6)).toString() : "–";
}

function scaled(number, step, units) {
  if (!Number.isFinite(number)) return "–";
  let unit = 0;
  while (Math.abs(number) >= step && unit < units.length - 1) {
    number /= step;
    unit += 1;
  }
  return `${unit === 0 ? digits(number) : Number(number.toPrecision(3))} ${units[unit]}`.trim();
}

function digits(number) {
  if (!Number.isFinite(number)) return "–";
  return Math.abs(number) >= 100 ? whole.format(number) : Number(number.toPrecision(3)).toString();
}

/** A document's id to show: text that spells a number is in quotes. */
export function id(value) {
  if (typeof value === "object" && value !== null) return JSON.stringify(value.string);
  return typeof value === "string" && /^\d+$/.test(value) ? JSON.stringify(value) : String(value);
}

/** A document's id in an address of this page or of the API: text in quotes, so that "42" is not 42; a UUID is none. */
export function idInPath(value) {
  if (typeof value === "object" && value !== null) return JSON.stringify(value.string);
  return typeof value === "string" && !UUID.test(value) ? JSON.stringify(value) : String(value);
}

/** The id that somebody types: digits are a number, "quoted" is text, and so is everything else. */
export function idFromText(text) {
  const typed = text.trim();
  if (/^\d{1,20}$/.test(typed)) {
    const number = BigInt(typed);
    return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
  }
  if (typed.startsWith('"')) {
    try {
      const quoted = JSON.parse(typed);
      return UUID.test(quoted) ? { string: quoted } : quoted;
    } catch {
      return typed;
    }
  }
  return typed;
}
