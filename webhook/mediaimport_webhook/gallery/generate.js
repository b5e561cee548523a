// New assets of a generator: a form made of the schema of the chosen model's input.

import * as api from "./api.js";
import { byId, element } from "./dom.js";

/**
 * @typedef {object} Rule of one field, as JSON Schema has it
 * @property {"string" | "integer" | "number" | "boolean"} type
 * @property {string[]} [enum]
 * @property {string | number | boolean} [default]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {number} [maxLength]
 * @property {string} [pattern]
 * @property {string} [description]
 */

const POLL_MS = 3000;
/** Length from which a text has more than one line. */
const LONG = 200;

/** The dialog; it is offered where there are models. `onStarted` hears of each prediction that begins, and of its assets. */
export class Generating {
  /** @param {() => void} onStarted */
  constructor(onStarted) {
    this.onStarted = onStarted;
    this.dialog = byId("generating", HTMLDialogElement);
    this.open = byId("generate", HTMLButtonElement);
    this.form = byId("generate-form", HTMLFormElement);
    this.choice = byId("generate-model", HTMLSelectElement);
    this.fields = byId("generate-fields", HTMLElement);
    this.lines = byId("generations", HTMLUListElement);
    /** @type {api.Model[]} */
    this.models = [];
    /** Of the request that may be sent again: the same form makes one prediction. */
    this.key = crypto.randomUUID();
    this.open.addEventListener("click", () => this.dialog.showModal());
    this.choice.addEventListener("change", () => this.draw());
    this.form.addEventListener("input", () => (this.key = crypto.randomUUID()));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  /** Ask which models there are. */
  async load() {
    // An older server, or one that does not answer now, offers none.
    this.models = await api.models().catch(() => []);
    this.choice.replaceChildren(...this.models.map(({ alias }) => element("option", {}, alias)));
    this.open.hidden = this.models.length === 0;
    this.draw();
  }

  /** Show nothing of the caller who has signed out. */
  clear() {
    this.open.hidden = true;
    this.models = [];
    this.lines.replaceChildren();
  }

  /** @returns {api.Model | undefined} */
  model() {
    return this.models.find(({ alias }) => alias === this.choice.value);
  }

  draw() {
    this.key = crypto.randomUUID();
    const { properties = {}, required = [] } = this.schema();
    const drawn = Object.entries(properties).map(([name, rule]) => field(name, rule, required.includes(name)));
    this.fields.replaceChildren(...drawn);
  }

  /** @returns {{properties?: Record<string, Rule>, required?: string[]}} */
  schema() {
    return this.model()?.input ?? {};
  }

  async submit() {
    const model = this.model();
    if (model === undefined) return;
    const line = element("li", {}, `${model.alias}: starts`);
    this.lines.prepend(line);
    const button = /** @type {HTMLButtonElement} */ (this.form.querySelector("button:not([type])"));
    button.disabled = true;
    try {
      const { job_id } = await api.generate(model.path, this.body(), this.key);
      this.key = crypto.randomUUID();
      this.follow(model.alias, job_id, line);
      this.onStarted();
    } catch (error) {
      line.textContent = `${model.alias}: ${error instanceof Error ? error.message : error}`;
    } finally {
      button.disabled = false;
    }
  }

  /** @returns {Record<string, unknown>} what was filled in; what was left empty is the model's to choose */
  body() {
    const given = new FormData(this.form);
    /** @type {Record<string, unknown>} */
    const body = {};
    for (const [name, rule] of Object.entries(this.schema().properties ?? {})) {
      const value = given.get(`input-${name}`);
      if (rule.type === "boolean") body[name] = value !== null;
      else if (typeof value === "string" && value !== "") body[name] = rule.type === "string" ? value : Number(value);
    }
    const tags = String(given.get("tags") ?? "").split(",").map((each) => each.trim()).filter(Boolean);
    return tags.length && !("tags" in body) ? { ...body, tags } : body;
  }

  /**
   * Tell how the prediction goes, until its assets are in the grid.
   *
   * @param {string} alias
   * @param {string} id
   * @param {HTMLElement} line
   */
  async follow(alias, id, line) {
    line.textContent = `${alias}: starting`;
    while (line.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const job = await api.job(id).catch(() => undefined);
      if (job === undefined) continue;
      const words = job.status === "generating" ? (job.provider_status ?? job.status) : job.status;
      line.textContent = `${alias}: ${words}${job.error ? `. ${job.error}` : ""}`;
      if (job.status === "uploading") this.onStarted();
      if (job.status === "ready" || job.status === "failed") return this.onStarted();
    }
  }
}

/**
 * @param {string} name
 * @param {Rule} rule
 * @param {boolean} required
 * @returns {HTMLElement}
 */
function field(name, rule, required) {
  const words = [name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " "), rule.description ? `(${rule.description})` : ""].filter(Boolean).join(" ");
  const control = controlOf(name, rule);
  control.setAttribute("name", `input-${name}`);
  if (required) control.setAttribute("required", "");
  const label = element("label", {}, required ? `${words} *` : words, control);
  if (rule.type === "boolean") label.classList.add("choice");
  return label;
}

/**
 * @param {string} name
 * @param {Rule} rule
 * @returns {HTMLElement}
 */
function controlOf(name, rule) {
  const { type, default: preset, maxLength = 0, minimum, maximum, pattern } = rule;
  if (rule.enum !== undefined) {
    const options = rule.enum.map((each) => element("option", each === preset ? { selected: "" } : {}, each));
    // Without a default the model chooses.
    return element("select", {}, ...(preset === undefined ? [element("option", { value: "" }, "")] : []), ...options);
  }
  if (type === "boolean") return element("input", { type: "checkbox", ...(preset === true ? { checked: "" } : {}) });
  const value = preset === undefined ? "" : String(preset);
  if (type === "integer" || type === "number") {
    const bounds = { ...(minimum === undefined ? {} : { min: String(minimum) }), ...(maximum === undefined ? {} : { max: String(maximum) }) };
    return element("input", { type: "number", step: type === "integer" ? "1" : "any", value, ...bounds });
  }
  const limit = maxLength ? { maxlength: String(maxLength) } : {};
  if (name === "prompt" || (pattern === undefined && maxLength > LONG && /prompt|text/.test(name))) {
    return element("textarea", { rows: "4", ...limit }, value);
  }
  return element("input", { value, autocomplete: "off", ...limit, ...(pattern === undefined ? {} : { pattern: pattern.replace(/^\^|\$$/g, "") }) });
}
