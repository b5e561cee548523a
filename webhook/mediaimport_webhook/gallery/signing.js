// The dialog to sign in: at the issuer where one is configured, or by a token.

import { byId } from "./dom.js";
import * as oidc from "./oidc.js";
import { keep } from "./session.js";

/** The dialog; `onSignedIn` hears of each success. */
export class Signing {
  /** @param {() => void} onSignedIn */
  constructor(onSignedIn) {
    this.onSignedIn = onSignedIn;
    this.dialog = byId("sign-in", HTMLDialogElement);
    this.error = byId("sign-in-error", HTMLElement);
    this.atIssuer = byId("sign-in-issuer", HTMLElement);
    /** @type {oidc.Issuer | null} */
    this.config = null;
    // Without a token nothing can be shown behind it.
    this.dialog.addEventListener("cancel", (event) => event.preventDefault());
    const form = byId("sign-in-form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      keep({ token: String(new FormData(form).get("token")).trim() });
      form.reset();
      this.done();
    });
    byId("sign-in-oidc", HTMLButtonElement).addEventListener("click", () => this.leave());
  }

  /** Show the dialog.
   *
   * @param {string} why empty the first time
   */
  async ask(why) {
    this.error.textContent = why;
    if (!this.dialog.open) this.dialog.showModal();
    try {
      this.config ??= await oidc.issuer();
    } catch (error) {
      this.error.textContent = [why, sentence(error)].filter(Boolean).join(" ");
    }
    if (this.config === null) return;
    byId("sign-in-host", HTMLElement).textContent = new URL(this.config.issuer).host;
    this.atIssuer.hidden = false;
  }

  /** Take what the issuer sent back with the page's address.
   *
   * @param {URLSearchParams} query
   */
  async arrive(query) {
    try {
      this.config = await oidc.issuer();
      if (this.config === null) throw new Error("No issuer is configured here.");
      await oidc.arrive(this.config, query);
    } catch (error) {
      await this.ask(sentence(error));
      return;
    }
    this.done();
  }

  async leave() {
    try {
      if (this.config !== null) await oidc.leave(this.config);
    } catch (error) {
      this.error.textContent = sentence(error);
    }
  }

  done() {
    if (this.dialog.open) this.dialog.close();
    this.onSignedIn();
  }
}

/** @param {unknown} error */
function sentence(error) {
  // `fetch` tells no more of what it could not reach.
  if (error instanceof TypeError) return "The issuer of tokens does not answer this page. It has to allow this origin (CORS).";
  return error instanceof Error ? error.message : String(error);
}
