// The page for operations people: imports under way by phase, failed ones by reason, sources that end next; each with the command that shows more.

import * as api from "./api.js";
import { byId, element } from "./dom.js";

/** @typedef {api.Operations} Content */
/** @typedef {Content["expiring"][number]} Row */
/** @typedef {{title: string, count: number, commands: string[], rows: Row[]}} Group */

const POLL_MS = 10_000;
/** Of many changes that the stream tells, one is followed in so long. */
const GATHER_MS = 2000;
/** @type {Record<string, string>} */
const TITLES = { Pending: "New", Queued: "Queued", Importing: "Running", Waiting: "Waiting to try again", Suspended: "Suspended" };
/** Phases that are shown without an import, too. */
const ALWAYS = ["Queued", "Importing"];

/** The dialog; it is offered to admins. */
export class Operations {
  /**
   * @param {(id: string) => Promise<void>} onOpen gets the id of an asset that is chosen
   */
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.dialog = byId("operations", HTMLDialogElement);
    this.button = byId("operate", HTMLButtonElement);
    this.state = byId("operations-state", HTMLElement);
    this.groups = byId("operations-groups", HTMLElement);
    this.shown = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.gathering = undefined;
    this.button.addEventListener("click", () => {
      this.dialog.showModal();
      this.refresh();
    });
    this.dialog.addEventListener("close", () => clearTimeout(this.timer));
  }

  /** Ask whether the caller is an admin, who alone is told the namespace. */
  async load() {
    // An older server has no such page.
    const content = await api.operations().catch(() => undefined);
    this.button.hidden = !content?.namespace;
  }

  /** Show nothing of the caller who has signed out. */
  clear() {
    this.button.hidden = true;
    this.dialog.close();
    this.shown = "";
    this.groups.replaceChildren();
  }

  /** An import has changed. */
  changed() {
    if (!this.dialog.open) return;
    this.gathering ??= setTimeout(() => this.refresh(), GATHER_MS);
  }

  async refresh() {
    clearTimeout(this.timer);
    clearTimeout(this.gathering);
    this.gathering = undefined;
    try {
      if (!document.hidden) this.show(await api.operations());
      this.state.textContent = "";
    } catch (error) {
      this.state.textContent = error instanceof Error ? error.message : String(error);
    }
    clearTimeout(this.timer);
    if (this.dialog.open) this.timer = setTimeout(() => this.refresh(), POLL_MS);
  }

  /** @param {Content} content */
  show(content) {
    const { namespace } = content;
    const state = JSON.stringify(content);
    if (namespace === null || state === this.shown) return;
    this.shown = state;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["key"] : undefined;
    this.groups.replaceChildren(...groupsOf(content, namespace).map((each) => this.section(each, namespace)));
    // The button that had the focus was made again.
    if (focused === undefined) return;
    const buttons = [...this.groups.querySelectorAll("button")];
    (buttons.find((each) => each.dataset["key"] === focused) ?? this.dialog.querySelector("button"))?.focus();
  }

  /**
   * @param {Group} group
   * @param {string} namespace
   * @returns {HTMLElement}
   */
  section({ title, count, commands, rows }, namespace) {
    const lines = commands.map((each) => element("p", { class: "command" }, element("code", {}, each), this.copy(each, `Copy the command: ${title}`)));
    return element("section", {}, element("h3", {}, `${title}: ${count}`), ...lines, ...this.table(title, rows, namespace));
  }

  /**
   * @param {string} title
   * @param {Row[]} rows
   * @param {string} namespace
   * @returns {HTMLElement[]}
   */
  table(title, rows, namespace) {
    if (rows.length === 0) return [];
    const ends = rows.some((each) => each.source_expires_at !== null);
    const names = ["Name", "User", "Reason", "Created", ...(ends ? ["Source ends"] : []), "Command"];
    const head = element("tr", {}, ...names.map((each) => element("th", { scope: "col" }, each)));
    const body = rows.map((row) => {
      const open = element("button", { type: "button", class: "link", "data-key": `${title} ${row.id}` }, row.name);
      open.addEventListener("click", () => this.open(row.id));
      const command = `kubectl -n ${namespace} describe mediaimport ${row.import_job_id}`;
      const times = [row.created_at, ...(ends ? [row.source_expires_at] : [])].map(time);
      const cells = [open, row.user, row.reason ?? "", ...times, this.copy(command, `Copy: ${command}`, `${title} `)];
      return element("tr", {}, ...cells.map((each) => element("td", {}, each)));
    });
    const table = element("table", { "aria-label": title }, element("thead", {}, head), element("tbody", {}, ...body));
    return [element("div", { class: "wide" }, table)];
  }

  /** @param {string} id */
  async open(id) {
    try {
      await this.onOpen(id);
    } catch (error) {
      this.state.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /**
   * @param {string} command
   * @param {string} label
   * @param {string} [place] tells buttons of one command from each other
   * @returns {HTMLElement}
   */
  copy(command, label, place = "") {
    const button = element("button", { type: "button", "aria-label": label, title: command, "data-key": place + command }, "Copy");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command);
      this.state.textContent = `Copied: ${command}`;
    });
    return button;
  }
}

/**
 * @param {Content} content
 * @param {string} namespace
 * @returns {Group[]}
 */
function groupsOf({ under_way: underWay, failed, expiring }, namespace) {
  const list = `kubectl -n ${namespace} get mediaimports`;
  const phases = underWay
    .filter(({ phase, count }) => count > 0 || ALWAYS.includes(phase))
    .map(({ phase, count, oldest }) => ({
      title: TITLES[phase] ?? phase,
      count,
      commands: [
        `${list} --field-selector ${selector(phase)} --sort-by=.metadata.creationTimestamp -o wide`,
        ...(phase === "Importing" ? [`kubectl -n ${namespace} get jobs,pods -l app.kubernetes.io/component=importer`] : []),
      ],
      rows: oldest,
    }));
  const reasons = failed.map(({ reason, count, newest }) => ({
    title: `Failed, ${reason}`,
    count,
    commands: [`${list} --field-selector status.phase=Failed -o wide${/^\w+$/.test(reason) ? ` | grep -w ${reason}` : ""}`],
    rows: [newest],
  }));
  const columns = "NAME:.metadata.name,PHASE:.status.phase,ENDS:.spec.source.expiresAt";
  const ending = {
    title: "Sources that end next",
    count: expiring.length,
    commands: [`${list} --field-selector status.phase!=Ready,status.phase!=Failed --sort-by=.spec.source.expiresAt -o custom-columns=${columns}`],
    rows: expiring,
  };
  return [...phases, ...reasons, ...(expiring.length ? [ending] : [])];
}

/**
 * @param {string} phase
 * @returns {string} the field selector of its imports; a new one has no phase yet
 */
function selector(phase) {
  if (phase !== "Pending") return `status.phase=${phase}`;
  return ["Queued", "Importing", "Waiting", "Suspended", "Ready", "Failed"].map((each) => `status.phase!=${each}`).join(",");
}

/** @param {string | null} moment */
function time(moment) {
  return moment === null ? "" : element("time", { datetime: moment }, new Date(moment).toLocaleString());
}
