// The API's types under short names; `api.ts` is generated from the OpenAPI document.

import type { components } from "./api.js";

type Schemas = components["schemas"];

/** A body as a caller sends it: what has a default may be left out. */
type Sent<Body, Required extends keyof Body> = Pick<Body, Required> & Partial<Omit<Body, Required>>;

export type AcceptedImport = Schemas["AcceptedImport"];
export type Asset = Schemas["Asset"];
export type AssetChanges = Partial<Schemas["AssetChanges"]>;
export type AssetList = Schemas["AssetList"];
export type BatchedImport = Schemas["BatchedImport"];
export type DeletedAsset = Schemas["DeletedAsset"];
export type EventType = Webhook["types"][number];
export type ImportRequest = Sent<Schemas["ImportRequest"], "url">;
export type Model = Schemas["Model"];
export type Job = Schemas["Job"];
export type KeyedWebhook = Schemas["KeyedWebhook"];
export type Operations = Schemas["Operations"];
export type Problem = Schemas["ProblemDetails"];
export type StartedPrediction = Schemas["StartedPrediction"];
export type Stats = Schemas["Stats"];
export type Usage = Schemas["Usage"];
export type UploadRequest = Sent<Schemas["UploadRequest"], "size_bytes">;
export type BegunUpload = Schemas["BegunUpload"];
export type Webhook = Schemas["Webhook"];
export type WebhookDelivery = Schemas["WebhookDelivery"];
export type WebhookReplay = Schemas["WebhookReplay"];
export type WebhookTest = Schemas["WebhookTest"];
