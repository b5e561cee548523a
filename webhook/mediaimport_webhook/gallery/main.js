// The gallery: one page over the API. Its parts know nothing of each other; they meet here.

import * as api from "./api.js";
import { Adding } from "./add.js";
import { Assets } from "./assets.js";
import { Detail } from "./detail.js";
import { byId } from "./dom.js";
import { Grid } from "./grid.js";

/** Time for which a message stays. */
const MESSAGE_MS = 10_000;

const message = byId("message", HTMLElement);
const filters = byId("filters", HTMLFormElement);
const signIn = byId("sign-in", HTMLDialogElement);
const signInForm = byId("sign-in-form", HTMLFormElement);
const signInError = byId("sign-in-error", HTMLElement);
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
  (error) => {
    if (error instanceof api.ApiError && error.status === 401) askForToken(api.token() ? error.message : "");
    else {
      say(error instanceof Error ? error.message : String(error));
      failing = true;
    }
  },
);
const grid = new Grid(byId("grid", HTMLElement), assets, (asset) => detail?.open(asset));
detail = new Detail(assets, say);
new Adding(() => assets.poll());

/** @type {ReturnType<typeof setTimeout> | undefined} */
let fading;

/** @param {string} text it stays for a while */
function say(text) {
  failing = false;
  clearTimeout(fading);
  fading = setTimeout(() => say(""), MESSAGE_MS);
  if (message.textContent !== text) message.textContent = text;
}

/** @param {string} why empty the first time */
function askForToken(why) {
  assets.stop();
  signInError.textContent = why;
  if (!signIn.open) signIn.showModal();
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
// Without a token nothing can be shown behind it.
signIn.addEventListener("cancel", (event) => event.preventDefault());
signInForm.addEventListener("submit", (event) => {
  event.preventDefault();
  api.setToken(String(new FormData(signInForm).get("token")).trim());
  signInForm.reset();
  signIn.close();
  begin();
});
byId("sign-out", HTMLButtonElement).addEventListener("click", () => {
  api.setToken("");
  assets.begin({});
});

if (api.token()) begin();
else askForToken("");
