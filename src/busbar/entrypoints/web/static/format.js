// Numbers, times and states in words: the one place that turns what the API says into what people read.

const ABSENT = "–";
let timezone = "UTC";

/** The depot's timezone (IANA): all times are shown in it. */
export function useTimezone(name) {
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: name });
    timezone = name;
  } catch {
    timezone = "UTC";
  }
}

function grouped(number, digits) {
  return number.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function scaled(thousandths, small, large) {
  if (thousandths === null || thousandths === undefined) return ABSENT;
  const value = thousandths / 1000;
  const size = Math.abs(value);
  if (size >= 10000) return `${grouped(value / 1000, 2)} ${large}`;
  return `${grouped(value, size >= 100 || Number.isInteger(value) ? 0 : 1)} ${small}`;
}

/** mA as A. */
export const amps = (ma) => scaled(ma, "A", "kA");

/** W as kW or MW. */
export const power = (w) => scaled(w, "kW", "MW");

/** Wh as kWh or MWh. */
export const energy = (wh) => scaled(wh, "kWh", "MWh");

/** A number with its unit as the API gives it: {value, unit} with mA or W. */
export function value(given) {
  if (!given) return ABSENT;
  return given.unit === "W" ? power(given.value) : amps(given.value);
}

/** One of the four rows. */
export const row = (name, number) => (name === "total" ? power(number) : amps(number));

export const ROWS = ["L1", "L2", "L3", "total"];

/** The number of a row in a Rows document; null where there is none. */
export const rowOf = (rows, name) => (rows ? (rows[name === "total" ? "total_w" : `${name}_ma`] ?? null) : null);

/** Four rows in one short text: equal phases are said once. */
export function rows(given) {
  if (!given) return ABSENT;
  const phases = ["L1", "L2", "L3"].map((name) => rowOf(given, name));
  const parts = [];
  if (phases.some((each) => each !== null)) {
    const isEven = phases.every((each) => each === phases[0]);
    parts.push(isEven ? `${amps(phases[0])} per phase` : phases.map((each) => amps(each)).join(" · "));
  }
  if (rowOf(given, "total") !== null) parts.push(power(rowOf(given, "total")));
  return parts.length ? parts.join(", ") : "not limited";
}

const formatters = new Map();

/** Formatters are dear to make: one per timezone and form is kept. */
function parts(iso, options) {
  const form = `${timezone} ${Object.keys(options)} ${Object.values(options)}`;
  let formatter = formatters.get(form);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, hourCycle: "h23", ...options });
    formatters.set(form, formatter);
  }
  return formatter.format(new Date(iso));
}

/** A time of day in the depot's timezone; with its day where that is not today. `seconds: true` for seconds. */
export function time(iso, { seconds = false, day = "auto" } = {}) {
  if (!iso) return ABSENT;
  const clock = parts(iso, { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) });
  const date = { day: "numeric", month: "short" };
  const isToday = parts(iso, date) === parts(Date.now(), date);
  return day === "always" || (day === "auto" && !isToday) ? `${parts(iso, date)}, ${clock}` : clock;
}

/** How long something took or takes. */
export function duration(s) {
  if (s === null || s === undefined) return ABSENT;
  const whole = Math.round(Math.abs(s));
  if (whole < 1) return `${Math.round(Math.abs(s) * 1000)} ms`;
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** How long ago, in words. */
export function ago(s) {
  if (s === null || s === undefined || Number.isNaN(s)) return "not known";
  return s < 1 ? "now" : `${duration(s)} ago`;
}

/** A share (0 to 1) in per cent. */
export const share = (part) => (part === null || part === undefined ? ABSENT : `${Math.round(part * 100)} %`);

export const STATES = ["BREACHED", "UNKNOWN", "SAFE", "CONSTRAINED", "OK"];

const WORDS = {
  OK: "OK",
  CONSTRAINED: "Constrained",
  SAFE: "Safe mode",
  UNKNOWN: "Unknown",
  BREACHED: "Breached",
};

const MEANINGS = {
  OK: "Nothing is held back.",
  CONSTRAINED: "A limit binds: somebody gets less than they could use. Nothing is wrong.",
  SAFE: "It cannot be seen, so its safe capacity applies.",
  UNKNOWN: "There is no fresh data about it.",
  BREACHED: "More flows than may. Something is wrong.",
};

// Shapes that differ without colour: disc, diamond, triangle down, ring, cross.
const GLYPHS = { OK: "●", CONSTRAINED: "◆", SAFE: "▼", UNKNOWN: "○", BREACHED: "✖" };

export const stateWord = (state) => WORDS[state] ?? String(state ?? "Unknown");
export const stateMeaning = (state) => MEANINGS[state] ?? "";
export const stateGlyph = (state) => GLYPHS[state] ?? "○";

const LIMITS = {
  rating: "rating",
  default_operating_capacity: "default capacity",
  safe_operating_capacity: "safe capacity",
  max_rating: "maximum rating",
  envelope: "envelope",
  out_of_service: "out of service",
  request: "its own request",
};

/** A kind of limit in words. */
export const limitWord = (name) => LIMITS[name] ?? (name ? name.replaceAll("_", " ") : ABSENT);

/** A name of the API (`paused_by_vehicle`) as words. */
export const words = (name) => (name ? String(name).replaceAll("_", " ") : ABSENT);

/** What shares are shared among: `connectors`, `charge points`. */
export const leavesWords = (leaves) => (leaves ? `${words(leaves)}s` : ABSENT);

/** How a depot shares: `equal share among connectors, fair in power`. */
export const sharingWords = ({ strategy, leaves, fair_in: fairIn }) => `${words(strategy)} among ${leavesWords(leaves)}, fair in ${words(fairIn)}`;

const KINDS = {
  MICROGRID: "Depot",
  GRID_CONNECTION: "Grid connection",
  CIRCUIT: "Circuit",
  CHARGE_POINT: "Charge point",
  CONNECTOR: "Connector",
};

export const kindWord = (kind) => KINDS[kind] ?? words(kind);
