/*
 * The pages, and which of them is shown.
 */

import { get, link, Unreachable } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { trouble } from "./lib/notice.js";
import { heading } from "./lib/parts.js";
import { parse, to } from "./lib/router.js";
import { may, recall, signOut, watch, who } from "./lib/who.js";
import { language, t } from "./lib/words.js";

/** [path, title, the least role that has it in the menu] */
const PAGES = [
  ["stations", t("Stations"), "viewer"],
  ["messages", t("Messages"), "viewer"],
  ["transactions", t("Transactions"), "viewer"],
  ["id-tags", t("Id tags"), "viewer"],
  ["reservations", t("Reservations"), "viewer"],
  ["profiles", t("Charging profiles"), "viewer"],
  ["emulators", t("Emulated stations"), "viewer"],
  ["violations", t("Violations"), "viewer"],
  ["attempts", t("Connection attempts"), "viewer"],
  ["users", t("Users and keys"), "admin"],
  ["server", t("Server"), "viewer"],
  ["many", t("Command many stations"), null],
  ["sign-in", t("Sign in"), null],
];

/** Those that show one of many. */
const ONE = { stations: "station", messages: "message", transactions: "transaction", emulators: "emulator" };

const main = document.getElementById("main");
let leaving = new AbortController();

async function show() {
  const { path, query } = parse(location.hash);
  const [first = "stations", ...rest] = path;
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  mark(first);
  const page = PAGES.find(([name]) => name === first);
  try {
    if (!page) throw new Error(t("There is no such page."));
    const module = await import(`./pages/${rest.length && ONE[first] ? ONE[first] : page[0]}.js`);
    if (signal.aborted) return;
    const content = await module.default({ path: rest, query, signal });
    if (!signal.aborted) fill(main, content);
  } catch (error) {
    if (!signal.aborted) fail(error, page?.[1] ?? t("Error"));
  }
}

async function fail(error, title) {
  fill(main, heading(title), trouble(error));
  if (!(error instanceof Unreachable || error instanceof TypeError)) return;
  try {
    await get("ping");
  } catch {
    // Browsers remember which module did not come: the page begins anew.
    link.addEventListener("up", () => location.reload(), { once: true });
  }
}

function mark(first) {
  for (const one of document.querySelectorAll("#nav a")) {
    const isHere = one.dataset.page === first;
    one.toggleAttribute("aria-current", isHere);
    if (isHere) {
      one.setAttribute("aria-current", "page");
      one.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
}

function frame() {
  document.documentElement.lang = language;
  document.getElementById("nav").setAttribute("aria-label", t("Pages"));
  document.getElementById("skip").textContent = t("Skip to the content");
  const entries = PAGES.filter(([, , role]) => role && may(role));
  fill(document.getElementById("nav"), h("ul", entries.map(([name, title]) =>
    h("li", h("a", { href: to(name), "data-page": name }, title)))));
}

// The line to the central system

const state = document.getElementById("link");
let isDown = false;

function up() {
  fill(state, h("span.dot"), t("connected"));
  state.className = "up";
  isDown = false;
}

function down() {
  if (isDown) return;
  isDown = true;
  fill(state, h("span.dot"), t("no answer, trying again"));
  state.className = "down";
  again();
}

/** A lost connection heals by itself. */
function again() {
  setTimeout(() => {
    if (isDown) get("ping").catch(() => {}).then(() => isDown && again());
  }, 2000);
}

link.addEventListener("up", up);
link.addEventListener("down", down);
link.addEventListener("unauthorised", () => {
  if (!location.hash.startsWith(to("sign-in"))) {
    sessionStorage.setItem("wanted", location.hash);
    location.hash = to("sign-in");
  }
});
window.addEventListener("hashchange", () => {
  show();
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
});

// Who looks

function person() {
  const leave = async () => {
    await signOut();
    location.hash = to("sign-in");
  };
  fill(document.getElementById("who"), who.name
    ? [h("span", who.name, " ", h("small", who.role)), who.via === "session" ? h("button.quiet", { type: "button", onclick: leave }, t("Sign out")) : null]
    : null);
  frame();
}

watch.addEventListener("changed", person);
frame();
await recall();
show();
