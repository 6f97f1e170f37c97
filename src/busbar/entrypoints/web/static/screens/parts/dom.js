// What screens need beyond static/dom.js: putting things in place of others, and ids.

/** Puts these in place of whatever the element holds; null and false are left out. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let lastId = 0;

/** An id that no other element of this page has. */
export function newId(stem) {
  lastId += 1;
  return `${stem}-${lastId}`;
}
