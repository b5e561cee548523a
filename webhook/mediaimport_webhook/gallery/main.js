// The gallery: one page over the API. Its parts know nothing of each other; they meet here.

import * as api from "./api.js";
import { Adding } from "./add.js";
import { Assets } from "./assets.js";
import { Detail } from "./detail.js";
import { byId } from "./dom.js";
import { Generating } from "./generate.js";
import { Grid } from "./grid.js";
import { returned } from "./oidc.js";
import { Operations } from "./operations.js";
import { isSignedIn, keep } from "./session.js";
import { Signing } from "./signing.js";
import { Stream } from "./stream.js";

/** Time for which a message stays. */
const MESSAGE_MS = 10_000;

const message = byId("message", HTMLElement);
const filters = byId("filters", HTMLFormElement);
const empty = byId("empty", HTMLElement);

/** @type {Detail | undefined} */
let detail;
/** Whether the message is of a request that failed: the next one that succeeds removes it. */
let failing = false;

const assets = new Assets(
  () => {
    grid.draw();
    detail?.follow();
    empty.hidden = assets.items.length > 0 || !assets.complete;
    if (failing && !assets.loading) say("");
  },
  refused,
);
const stream = new Stream(changed, (live) => (assets.live = live), refused);
const grid = new Grid(byId("grid", HTMLElement), assets, (asset) => detail?.open(asset));
detail = new Detail(assets, say);
new Adding(() => assets.poll());
const generating = new Generating(() => assets.poll());
const operations = new Operations(async (id) => detail?.open(await api.show(id)));

/** @type {ReturnType<typeof setTimeout> | undefined} */
let fading;

/** @param {string} text it stays for a while */
function say(text) {
  failing = false;
  clearTimeout(fading);
  fading = setTimeout(() => say(""), MESSAGE_MS);
  if (message.textContent !== text) message.textContent = text;
}

/** @param {import("./stream.js").Change} change */
function changed(change) {
  assets.take(change);
  operations.changed();
}

/** @param {unknown} error of a request */
function refused(error) {
  if (error instanceof api.ApiError && error.status === 401) askForToken(isSignedIn() ? error.message : "");
  else {
    say(error instanceof Error ? error.message : String(error));
    failing = true;
  }
}

/** @param {string} why empty the first time */
function askForToken(why) {
  stream.stop();
  assets.stop();
  signing.ask(why);
}

function begin() {
  const chosen = [...new FormData(filters)].map(([name, value]) => [name, String(value).trim()]);
  assets.begin(Object.fromEntries(chosen.filter(([, value]) => value)));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
filters.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(begin, 300);
});
filters.addEventListener("submit", (event) => event.preventDefault());
const signing = new Signing(enter);

/** Begin with the assets and models of the caller who has signed in. */
function enter() {
  begin();
  stream.start();
  generating.load();
  operations.load();
}

byId("sign-out", HTMLButtonElement).addEventListener("click", () => {
  keep(undefined);
  assets.clear();
  generating.clear();
  operations.clear();
  askForToken("");
});

const query = returned();
if (query !== undefined) signing.arrive(query);
else if (isSignedIn()) enter();
else askForToken("");
