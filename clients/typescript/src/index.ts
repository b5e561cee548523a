// Client of MediaImport's API, for browsers, Node 20 and other runtimes that have `fetch` and `crypto.subtle`.

export { MediaImport } from "./client.js";
export type { GenerateOptions, ListFilters, Options, UploadOptions, WaitOptions } from "./client.js";
export { AssetFailedError, GenerationFailedError, ProblemError, TimeoutError } from "./errors.js";
export type { StreamEvent } from "./stream.js";
export { verifyWebhook, WebhookVerificationError } from "./verification.js";
export type { AssetWebhookEvent, PredictionWebhookEvent, TestWebhookEvent, VerifyOptions, WebhookEvent } from "./verification.js";
export type { OfUser, Webhooks } from "./webhooks.js";
export type * from "./types.js";
