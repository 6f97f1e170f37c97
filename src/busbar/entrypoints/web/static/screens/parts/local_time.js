// Times as a field for date and time takes them, in the depot's timezone and not in the browser's.

/** `2026-11-23T05:10` on the depot's clocks; empty where there is no time. */
export function toField(iso, timezone) {
  if (!iso) return "";
  return shownAt(Date.parse(iso), timezone).slice(0, 16);
}

/** What such a field says as UTC; null where it is empty. */
export function fromField(text, timezone) {
  if (!text) return null;
  const wanted = Date.parse(`${text.slice(0, 16)}:00Z`);
  let found = wanted;
  // The offset depends on the instant that is looked for: the second look is right but for the hour that is skipped.
  for (let look = 0; look < 2; look += 1) found = wanted - (Date.parse(`${shownAt(found, timezone)}Z`) - found);
  return new Date(found).toISOString();
}

function shownAt(milliseconds, timezone) {
  const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const format = new Intl.DateTimeFormat("en-GB", { ...digits, hourCycle: "h23", timeZone: timezone });
  const part = Object.fromEntries(format.formatToParts(Math.floor(milliseconds / 1000) * 1000).map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}`;
}
