// What the API's names are called on these screens, beside what format.js says, and the sentences made of them.

import { limitWord, words } from "../../format.js";

export const OUTCOMES = {
  FAILED: { word: "Failed", shape: "cross", means: "The audit found fault; nothing new was sent" },
  PARTIAL: { word: "Partial", shape: "wedge", means: "A charge point refused or did not answer" },
  CONSTRAINED: { word: "Constrained", shape: "diamond", means: "Somebody got less than the request because of a limit" },
  APPLIED: { word: "Applied", shape: "circle", means: "Everybody got what was asked for" },
  UNCHANGED: { word: "Unchanged", shape: "dash", means: "Nothing changed" },
};

export const CAUSES = {
  charge_point_disobeys: "Charge points draw more than they may",
  base_load: "Load that Busbar does not control",
  limit_lowered: "The limit was lowered",
  unaccounted_load: "Load that no meter below accounts for",
  commanded: "Our own order",
};

export const RISKS = {
  late: { word: "Will be late", rank: 0, state: "BREACHED" },
  at_risk: { word: "At risk", rank: 1, state: "CONSTRAINED" },
  unknown: { word: "Not known", rank: 2, state: "UNKNOWN" },
  on_track: { word: "On track", rank: 3, state: "OK" },
  ready: { word: "Ready", rank: 4, state: "OK" },
};

export const SETPOINT_STATES = {
  refused: { word: "Refused", rank: 0, state: "BREACHED" },
  no_answer: { word: "No answer", rank: 1, state: "UNKNOWN" },
  held_back: { word: "Held back", rank: 2, state: "CONSTRAINED" },
  sent: { word: "Sent", rank: 3, state: "SAFE" },
  acknowledged: { word: "Acknowledged", rank: 4, state: "OK" },
  settled: { word: "Settled", rank: 5, state: "OK" },
};

const REASONS = { full: "full", minimum: "the minimum did not fit", restart_gap: "waits for room to start again" };

/** What stopped a connector: `C1 L2 at its safe operating capacity: full`. */
export function bindingText(binding, leaf) {
  if (!binding) return "Nothing";
  if (binding.limit === "request") return "Its own request";
  const where = binding.node === leaf ? "Its own" : binding.node;
  const row = binding.row ? ` ${binding.row === "total" ? "in total" : `on ${binding.row}`}` : "";
  const reason = binding.reason && binding.reason !== "full" ? `: ${REASONS[binding.reason] ?? words(binding.reason)}` : "";
  return binding.node === leaf
    ? `${where} ${limitWord(binding.limit)}${row}${reason}`
    : `${where}, ${limitWord(binding.limit)}${row}${reason}`;
}

/** `1 vehicle`, `3 vehicles`. */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Microseconds as `0.8 ms`. */
export function milliseconds(duration_us) {
  const ms = duration_us / 1000;
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

/** A time that is still being counted: `4 min 12 s`, `3 h 5 min`. */
export function lasting(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
