// New assets: from a URL, or files that are chosen or dropped onto the page.

import * as api from "./api.js";
import { byId, element } from "./dom.js";

/** Files that are uploaded at once. */
const AT_ONCE = 3;

/** The dialog for imports; `onAdded` hears of each asset that begins. */
export class Adding {
  /** @param {() => void} onAdded */
  constructor(onAdded) {
    this.onAdded = onAdded;
    this.dialog = byId("importing", HTMLDialogElement);
    this.uploads = byId("uploads", HTMLUListElement);
    /** @type {(() => Promise<void>)[]} */
    this.waiting = [];
    this.running = 0;
    byId("add", HTMLButtonElement).addEventListener("click", () => this.dialog.showModal());
    const fromUrl = byId("import-url", HTMLFormElement);
    fromUrl.addEventListener("submit", (event) => {
      event.preventDefault();
      this.importFromUrl(fromUrl);
    });
    const upload = byId("upload", HTMLFormElement);
    upload.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = upload.elements.namedItem("files");
      if (input instanceof HTMLInputElement) this.add(input.files);
      upload.reset();
    });
    this.acceptDrops();
  }

  acceptDrops() {
    const { body } = document;
    addEventListener("dragover", (event) => {
      event.preventDefault();
      body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => event.relatedTarget === null && body.classList.remove("dropping"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      body.classList.remove("dropping");
      if (!event.dataTransfer?.files.length) return;
      if (!this.dialog.open) this.dialog.showModal();
      this.add(event.dataTransfer.files);
    });
  }

  /** @param {HTMLFormElement} form */
  async importFromUrl(form) {
    const given = new FormData(form);
    const [url, name, tags] = ["url", "name", "tags"].map((each) => String(given.get(each) ?? "").trim());
    const names = (tags ?? "").split(",").map((each) => each.trim()).filter(Boolean);
    const line = this.line(name || url || "");
    try {
      await api.importFromUrl({ url: url ?? "", ...(name ? { name } : {}), ...(names.length ? { tags: names } : {}) });
      line.textContent = `${name || url}: begun`;
      form.reset();
      this.onAdded();
    } catch (error) {
      line.textContent = `${name || url}: ${error instanceof Error ? error.message : error}`;
    }
  }

  /** @param {FileList | null} files */
  add(files) {
    for (const file of files ?? []) {
      const line = this.line(`${file.name}: waits`);
      this.waiting.push(() => this.upload(file, line));
    }
    this.work();
  }

  work() {
    while (this.running < AT_ONCE) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      this.running += 1;
      next().finally(() => {
        this.running -= 1;
        this.work();
      });
    }
  }

  /**
   * @param {File} file
   * @param {HTMLElement} line
   */
  async upload(file, line) {
    try {
      await api.upload(file, (percent) => {
        line.textContent = `${file.name}: ${percent} %`;
      });
      line.textContent = `${file.name}: uploaded`;
      this.onAdded();
    } catch (error) {
      line.textContent = `${file.name}: ${error instanceof Error ? error.message : error}`;
    }
  }

  /**
   * @param {string} text
   * @returns {HTMLElement}
   */
  line(text) {
    const line = element("li", {}, text);
    this.uploads.prepend(line);
    return line;
  }
}
