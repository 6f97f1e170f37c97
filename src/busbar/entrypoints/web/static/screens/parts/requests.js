// Asking the API from a screen: one thing at a time, and answers that come too late are left alone.

/** Runs `ask` at most once at a time and again if it was wanted meanwhile; after `forget()` nothing is shown any more. */
export function latest(ask) {
  let isRunning = false;
  let isWanted = false;
  let isForgotten = false;
  const now = async () => {
    isWanted = true;
    if (isRunning) return;
    isRunning = true;
    try {
      while (isWanted && !isForgotten) {
        isWanted = false;
        await ask(() => isForgotten);
      }
    } finally {
      isRunning = false;
    }
  };
  return { now, forget: () => (isForgotten = true) };
}

/** Calls `draw` once before the next picture, however often it was asked for. */
export function oncePerFrame(draw) {
  let wanted = 0;
  const later = () => {
    wanted ||= requestAnimationFrame(() => {
      wanted = 0;
      draw();
    });
  };
  return { later, forget: () => cancelAnimationFrame(wanted) };
}

/** What the URL takes of a set of filters; what is not set is left out. */
export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}
