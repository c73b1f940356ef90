/*
 * Texts in the language of the browser; English is what they are called by.
 */

const LANGUAGES = ["de", "ru"];

/** The language in use, for the page and for dates. */
export const language = preferred();

function preferred() {
  for (const wanted of navigator.languages) {
    const short = wanted.slice(0, 2).toLowerCase();
    if (short === "en") return "en";
    if (LANGUAGES.includes(short)) return short;
  }
  return "en";
}

const dictionary = language === "en" ? {} : (await import(`../words/${language}.js`)).default;

/** t("{n} of {all} stations", {n: 1, all: 2}) */
export function t(text, values = {}) {
  const said = dictionary[text] ?? text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
