// Errors of the client. What `fetch` throws, such as an AbortError, comes through as it is.

import type { Asset, Job, Problem } from "./types.js";

/** Answer of the API that is no success: its problem details (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    /** HTTP status. */
    readonly status: number,
    /** The problem's details; undefined where something in front of the API answered. */
    readonly problem: Problem | undefined,
    /** Seconds of the header Retry-After; undefined without it. */
    readonly retryAfter: number | undefined,
  ) {
    super(sentence(status, problem));
  }

  /** Last part of the problem's `type`, such as `not-found`; it is stable, and empty without details. */
  get slug(): string {
    return this.problem?.type.split("/").pop() ?? "";
  }
}

function sentence(status: number, problem: Problem | undefined): string {
  const fields = (problem?.errors ?? []).map((each) => `${each.pointer}: ${each.detail}`);
  return [`${status}`, problem?.title ?? "", problem?.detail ?? "", ...fields].filter(Boolean).join(" ");
}

/** The import has failed, after all its attempts. */
export class AssetFailedError extends Error {
  override readonly name = "AssetFailedError";

  constructor(readonly asset: Asset) {
    super(`${asset.reason ?? "Failed"}: ${asset.metadata.error ?? asset.name}`);
  }
}

/** The generator has failed, or has made nothing that can be imported. */
export class GenerationFailedError extends Error {
  override readonly name = "GenerationFailedError";

  constructor(readonly job: Job) {
    super(job.error ?? `the prediction ${job.job_id} has failed`);
  }
}

/** The time to wait is over; what was waited for goes on. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}
