// Requests: the token, and another try where one can do no harm.

import { ProblemError } from "./errors.js";
import type { Problem } from "./types.js";

const TRANSIENT = new Set([429, 502, 503, 504]);
const LONGEST_PAUSE_MS = 60_000;

export interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  query?: Record<string, string | number | boolean | undefined>;
  headers?: Record<string, string>;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Whether a second request does what the first one did; all but POST always do. */
  repeatable?: boolean;
}

export interface TransportOptions {
  url: string;
  token: string | (() => string | Promise<string>);
  retries: number;
  fetch: typeof fetch;
}

/** Sends requests below one URL. */
export class Transport {
  constructor(private readonly options: TransportOptions) {}

  /** Return the answer's JSON; ProblemError. */
  async json<Answer>(path: string, call: Call = {}): Promise<Answer> {
    const answer = await this.send(path, call);
    const text = await answer.text();
    return (text ? JSON.parse(text) : undefined) as Answer;
  }

  /** Return an answer that is 2xx or 304; ProblemError for any other, after the tries that make sense. */
  async send(path: string, call: Call): Promise<Response> {
    const repeatable = call.repeatable ?? call.method !== "POST";
    for (let attempt = 0; ; attempt += 1) {
      const last = !repeatable || attempt >= this.options.retries;
      let pause = backoff(attempt);
      try {
        const answer = await this.once(path, call);
        if (answer.ok || answer.status === 304) return answer;
        const error = await problemOf(answer);
        pause = error.retryAfter === undefined ? pause : error.retryAfter * 1000;
        if (last || !isTransient(error) || pause > LONGEST_PAUSE_MS) throw error;
      } catch (error) {
        // `fetch` throws a TypeError if no answer came.
        if (last || (!(error instanceof TypeError) && !(error instanceof ProblemError && isTransient(error)))) throw error;
        if (pause > LONGEST_PAUSE_MS) throw error;
      }
      await sleep(pause, call.signal);
    }
  }

  private async once(path: string, { method = "GET", query = {}, headers = {}, body, signal }: Call): Promise<Response> {
    const { url, token } = this.options;
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const parameters = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    const sent: Record<string, string> = {
      ...headers,
      Authorization: `Bearer ${typeof token === "string" ? token : await token()}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    };
    const target = `${url.replace(/\/+$/, "")}${path}${given.length ? `?${parameters}` : ""}`;
    return this.options.fetch(target, {
      method,
      headers: sent,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

/** Return whether another try may succeed; of a request with an Idempotency-Key that one still works on, too. */
export function isTransient(error: ProblemError): boolean {
  return TRANSIENT.has(error.status) || (error.status === 409 && error.retryAfter !== undefined);
}

export async function problemOf(answer: Response): Promise<ProblemError> {
  const seconds = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const isProblem = answer.headers.get("content-type")?.startsWith("application/problem+json");
  const text = await answer.text().catch(() => "");
  const problem = isProblem ? (JSON.parse(text) as Problem) : undefined;
  return new ProblemError(answer.status, problem, Number.isFinite(seconds) ? seconds : undefined);
}

function backoff(attempt: number): number {
  return 500 * 2 ** attempt * (0.5 + Math.random());
}

/** Wait; rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
