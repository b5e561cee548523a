// The client: a method for each thing that the API does.

import { AssetFailedError, GenerationFailedError, TimeoutError } from "./errors.js";
import { follow, type StreamEvent } from "./stream.js";
import { problemOf, sleep, Transport } from "./transport.js";
import type * as types from "./types.js";
import { Webhooks, type OfUser } from "./webhooks.js";

/** Seconds for which one request waits for an import's end or progress. */
const WAIT_S = 30;
const FIRST_POLL_MS = 2000;
const LONGEST_POLL_MS = 15_000;

export interface Options {
  /** The webhook's URL, such as `https://media.example.com`; a path in front of the API is kept. */
  url: string;
  /** A token of the API, or what returns one: it is asked before each request, so that it may renew it. */
  token: string | (() => string | Promise<string>);
  /** Further tries of a request that is repeatable; 3 if left out. */
  retries?: number;
  /** What sends requests instead of the global `fetch`. */
  fetch?: typeof fetch;
}

export interface WaitOptions {
  /** Milliseconds; without it the wait has no end. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface GenerateOptions {
  /** Tags of the generated assets. */
  tags?: string[];
  /** One of your own makes the request repeatable over restarts of yours, for a day. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export type UploadOptions = Partial<Omit<types.UploadRequest, "size_bytes">> & { signal?: AbortSignal };

export interface ListFilters {
  status?: types.Asset["status"];
  type?: NonNullable<types.Asset["type"]>;
  tag?: string;
  job_id?: string;
  provider?: string;
  model?: string;
  sha256?: string;
  created_after?: string;
  created_before?: string;
  ids?: string;
  /** Words to search; needs a catalogue database. */
  q?: string;
  sort?: "newest" | "oldest" | "largest" | "smallest";
  /** Assets of one page, 1 to 200. */
  limit?: number;
  /** For admins: the assets of one user. */
  user?: string;
}

/** One installation of MediaImport, as one user. */
export class MediaImport {
  /** The user's webhooks: endpoints that get a signed message at each event. */
  readonly webhooks: Webhooks;
  private readonly transport: Transport;
  private readonly fetch: typeof fetch;

  constructor({ url, token, retries = 3, fetch = (...request) => globalThis.fetch(...request) }: Options) {
    this.fetch = fetch;
    this.transport = new Transport({ url, token, retries, fetch });
    this.webhooks = new Webhooks(this.transport);
  }

  /** Import a URL. The answer comes at once; `wait` for the asset. A lost answer is asked for again, and makes no second import. */
  import(request: types.ImportRequest, { idempotencyKey = crypto.randomUUID(), signal }: GenerateOptions = {}): Promise<types.AcceptedImport> {
    return this.keyed("/api/v1/media/import-from-url", request, idempotencyKey, signal);
  }

  /** Import up to 100 URLs; the answers are in the order of the requests, each accepted or a problem. */
  async importMany(requests: (types.ImportRequest & { idempotency_key?: string })[]): Promise<types.BatchedImport[]> {
    const imports = requests.map((each) => ({ idempotency_key: crypto.randomUUID(), ...each }));
    const call = { method: "POST", body: { imports }, repeatable: true } as const;
    return (await this.transport.json<{ imports: types.BatchedImport[] }>("/api/v1/media/import-from-urls", call)).imports;
  }

  /** Upload a file to the store, and import it from there. */
  async upload(file: Blob, { signal, ...given }: UploadOptions = {}): Promise<types.AcceptedImport> {
    const name = given.name ?? (file instanceof File ? file.name.slice(-255) : undefined);
    const content_type = given.content_type ?? (file.type || "application/octet-stream");
    const body = { ...given, ...(name ? { name } : {}), content_type, size_bytes: file.size };
    const begun = await this.transport.json<types.BegunUpload>("/api/v1/media/uploads", { method: "POST", body, signal });
    const put = { method: begun.method, headers: begun.headers, body: file, ...(signal ? { signal } : {}) };
    const stored = await this.fetch(begun.url, put);
    if (!stored.ok) throw await problemOf(stored);
    const complete = { method: "POST", repeatable: true, signal } as const;
    return this.transport.json(`/api/v1/media/uploads/${begun.id}/complete`, complete);
  }

  /** Start a prediction of a model by its alias; `waitForJob` has its assets. */
  generate(alias: string, input: Record<string, unknown>, options: GenerateOptions = {}): Promise<types.StartedPrediction> {
    const { tags, idempotencyKey = crypto.randomUUID(), signal } = options;
    const body = tags === undefined ? input : { ...input, tags };
    return this.keyed(`/api/v1/replicate/${encodeURIComponent(alias)}`, body, idempotencyKey, signal);
  }

  /** Return the models that can be started, each with the JSON Schema of its input. */
  async models(): Promise<types.Model[]> {
    return (await this.transport.json<{ models: types.Model[] }>("/api/v1/models")).models;
  }

  /** Return a prediction with its assets, as they are now. */
  job(id: string): Promise<types.Job> {
    return this.transport.json(`/api/v1/replicate/predictions/${encodeURIComponent(id)}`);
  }

  /** Return a prediction once all its assets are stored; GenerationFailedError, TimeoutError. */
  async waitForJob(id: string, { timeoutMs = Infinity, signal }: WaitOptions = {}): Promise<types.Job> {
    const end = Date.now() + timeoutMs;
    for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 1.5, LONGEST_POLL_MS)) {
      const job = await this.job(id);
      if (job.status === "ready") return job;
      if (job.status === "failed") throw new GenerationFailedError(job);
      const left = end - Date.now();
      if (left <= 0) throw new TimeoutError(`the prediction ${id} is still ${job.status}`);
      await sleep(Math.min(pause, left), signal);
    }
  }

  /** Return an asset as it is now. With `download`, its URL makes a browser save the file. */
  get(id: string, { download, user }: { download?: boolean } & OfUser = {}): Promise<types.Asset> {
    return this.transport.json(media(id, user), { query: { download } });
  }

  /** Return an asset once it is stored; AssetFailedError, TimeoutError. `onProgress` sees each state before. */
  async wait(
    id: string,
    { timeoutMs = Infinity, signal, onProgress }: WaitOptions & { onProgress?: (asset: types.Asset) => void } = {},
  ): Promise<types.Asset> {
    const end = Date.now() + timeoutMs;
    for (let etag: string | null = null; ; ) {
      const wait = Math.max(0, Math.min(WAIT_S, Math.ceil((end - Date.now()) / 1000)));
      const headers: Record<string, string> = etag === null ? {} : { "If-None-Match": etag };
      // The first answer is the state now; each further one comes when that has changed.
      const answer = await this.transport.send(media(id), { query: { wait: etag === null ? 0 : wait }, headers, signal });
      if (answer.status !== 304) {
        const asset = (await answer.json()) as types.Asset;
        etag = answer.headers.get("etag");
        if (asset.status === "ready") return asset;
        if (asset.status === "failed") throw new AssetFailedError(asset);
        onProgress?.(asset);
      }
      if (Date.now() >= end) throw new TimeoutError(`the asset ${id} is not stored yet`);
    }
  }

  /** Return one page of assets. */
  page(filters: ListFilters = {}, cursor?: string): Promise<types.AssetList> {
    return this.transport.json("/api/v1/media/", { query: { ...filters, cursor } });
  }

  /** Yield all assets that pass the filters, page by page as they are asked for. */
  async *list(filters: ListFilters = {}): AsyncGenerator<types.Asset, void, undefined> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.page(filters, cursor);
      yield* page.assets;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  /**
   * Change name, tags or metadata of a stored asset, and return it; a field that is left out stays. Metadata is merged: a field that
   * is null is removed. Of two edits of one field the last one stays.
   */
  edit(id: string, changes: types.AssetChanges, { user }: OfUser = {}): Promise<types.Asset> {
    return this.transport.json(media(id, user), { method: "PATCH", body: changes });
  }

  /** Run the import of an asset again that has ended. */
  retry(id: string): Promise<types.AcceptedImport> {
    return this.transport.json(`${media(id)}/retry`, { method: "POST" });
  }

  /** Delete an asset and its stored files. */
  async delete(id: string, { user }: OfUser = {}): Promise<void> {
    await this.transport.send(media(id, user), { method: "DELETE" });
  }

  /** Delete all assets of a prediction, for an admin of any user; return the answer to each. */
  async deleteJob(id: string): Promise<types.DeletedAsset[]> {
    const deleted: types.DeletedAsset[] = [];
    for (let more = true; more; ) {
      const path = `/api/v1/predictions/${encodeURIComponent(id)}/media`;
      const answer = await this.transport.json<{ assets: types.DeletedAsset[]; more: boolean }>(path, { method: "DELETE" });
      deleted.push(...answer.assets);
      more = answer.more;
    }
    return deleted;
  }

  /** Return counts, bytes and the newest failures. */
  stats(): Promise<types.Stats> {
    return this.transport.json("/api/v1/stats");
  }

  /** Return imports under way by phase, failed ones by reason, sources that end next; an admin gets all. */
  operations(): Promise<types.Operations> {
    return this.transport.json("/api/v1/operations");
  }

  /** Return stored assets and bytes by month, and what is there twice; for an admin of all, or of that user. */
  usage({ user }: OfUser = {}): Promise<types.Usage> {
    return this.transport.json("/api/v1/usage", { query: { user } });
  }

  /**
   * Yield each asset whenever it changes, until the signal is aborted, over reconnections. The first event is `reset`: list the
   * assets then, and apply what comes. With `lastEventId` of an earlier stream, what was missed comes instead.
   */
  events(options: { signal?: AbortSignal; lastEventId?: string } = {}): AsyncGenerator<StreamEvent, void, undefined> {
    return follow(this.transport, "/api/v1/events", options);
  }

  /**
   * Yield one asset as it is now and at each change, over reconnections, until it is stored, failed or deleted, or the signal is
   * aborted.
   */
  async *follow(id: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<types.Asset, void, undefined> {
    for await (const event of follow(this.transport, `${media(id)}/events`, { signal })) {
      if (event.type !== "asset") return;
      yield event.asset;
      if (event.asset.status !== "uploading") return;
    }
  }

  private keyed<Answer>(path: string, body: unknown, key: string, signal: AbortSignal | undefined): Promise<Answer> {
    const headers = { "Idempotency-Key": key };
    return this.transport.json(path, { method: "POST", body, headers, signal, repeatable: true });
  }
}

/** Return the path of an asset: the caller's, or for an admin that user's. */
function media(id: string, user?: string): string {
  const owner = user === undefined ? "" : `users/${encodeURIComponent(user)}/`;
  return `/api/v1/${owner}media/${encodeURIComponent(id)}`;
}
