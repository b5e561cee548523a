// A receiver of MediaImport's events, without a dependency: `SIGNING_KEY=whsec_… PORT=8000 node build/examples/receive-events.js`
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";

interface Event {
  type: "asset.ready" | "asset.failed" | "asset.deleted" | "prediction.failed" | "webhook.test";
  timestamp: string;
  data: {
    id: string;
    user_id: string;
    status: "ready" | "failed" | "deleted" | "test";
    import_job_id?: string; // of an asset
    job_id?: string;
    name?: string;
    reason?: string;
  };
}

const key = Buffer.from((process.env["SIGNING_KEY"] ?? "").replace(/^whsec_/, ""), "base64");
const toleranceSeconds = 300;
// In production: a unique column of your database, written in one transaction with the work.
const seen = new Set<string>();

function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const header = (name: string): string => String(request.headers[name] ?? "");
  const timestamp = header("webhook-timestamp");
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= toleranceSeconds)) return false;
  const signed = Buffer.concat([Buffer.from(`${header("webhook-id")}.${timestamp}.`), body]);
  const expected = createHmac("sha256", key).update(signed).digest();
  return header("webhook-signature")
    .split(" ")
    .filter((each) => each.startsWith("v1,"))
    .map((each) => Buffer.from(each.slice(3), "base64"))
    .some((each) => each.length === expected.length && timingSafeEqual(each, expected));
}

const server = createServer(async (request, response) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  if (request.method !== "POST" || !isSigned(request, body)) {
    response.writeHead(401).end();
    return;
  }
  const id = String(request.headers["webhook-id"]);
  if (!seen.has(id)) {
    seen.add(id);
    const event = JSON.parse(body.toString()) as Event;
    console.log(event.type, event.data.id); // here your work is queued
  }
  // Answer before the work is done: ten seconds are all.
  response.writeHead(204).end();
});
server.listen(Number(process.env["PORT"] ?? 8000), "127.0.0.1");
