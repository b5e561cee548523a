// The table of clients/README.md: each method of the client sends the request of its row. That the table has each operation of the
// OpenAPI document, a test of the Python client checks.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MediaImport } from "mediaimport-client";

const url = "https://example.com/film.mp4";
const calls: Record<string, (client: MediaImport) => unknown> = {
  generate: (client) => client.generate("wan-video-t2v", {}),
  job: (client) => client.job("p1"),
  waitForJob: (client) => client.waitForJob("p1"),
  models: (client) => client.models(),
  import: (client) => client.import({ url }),
  importMany: (client) => client.importMany([{ url }]),
  upload: (client) => client.upload(new Blob(["film"])),
  list: (client) => client.list().next(),
  page: (client) => client.page(),
  get: (client) => client.get("1"),
  wait: (client) => client.wait("1"),
  edit: (client) => client.edit("1", { name: "cut" }),
  delete: (client) => client.delete("1"),
  "get(…, { user })": (client) => client.get("1", { user: "ada" }),
  "edit(…, { user })": (client) => client.edit("1", { name: "cut" }, { user: "ada" }),
  "delete(…, { user })": (client) => client.delete("1", { user: "ada" }),
  deleteJob: (client) => client.deleteJob("p1"),
  retry: (client) => client.retry("1"),
  follow: (client) => client.follow("1").next(),
  events: (client) => client.events().next(),
  usage: (client) => client.usage(),
  "webhooks.list": (client) => client.webhooks.list(),
  "webhooks.create": (client) => client.webhooks.create(url),
  "webhooks.get": (client) => client.webhooks.get("we_1"),
  "webhooks.delete": (client) => client.webhooks.delete("we_1"),
  "webhooks.rotateKey": (client) => client.webhooks.rotateKey("we_1"),
  "webhooks.test": (client) => client.webhooks.test("we_1"),
  "webhooks.replay": (client) => client.webhooks.replay("we_1"),
  "webhooks.deliveries": (client) => client.webhooks.deliveries("we_1"),
  stats: (client) => client.stats(),
  operations: (client) => client.operations(),
};
/** What all methods take for an answer. */
const answer = JSON.stringify({
  ...{ id: "1", status: "ready", url: "https://store.test/object", method: "PUT", headers: {} },
  ...{ assets: [], next: null, more: false, imports: [], models: [], webhooks: [], deliveries: [] },
});
const event = 'event: asset\ndata: {"id": "1", "status": "ready"}\n\n';

const rows = [...readFileSync("../README.md", "utf8").matchAll(/^\| `([A-Z]+ \S+)` \| .+? \| (.+) \|$/gm)];
const called = rows.flatMap(([, route = "", cell = ""]) => [...cell.matchAll(/`(.+?)`/g)].map(([, method = ""]) => ({ route, method })));
const paths = Object.keys((JSON.parse(readFileSync("../../docs/openapi.json", "utf8")) as { paths: object }).paths);

/** Return the operation that a request asks for, one of a literal path before one of a pattern. */
function routeOf(method: string, path: string): string {
  const fits = paths.filter((each) => new RegExp(`^${each.replace(/\{\w+\}/g, "[^/]+")}$`).test(path));
  return `${method} ${fits.sort((a, b) => a.split("{").length - b.split("{").length)[0]}`;
}

for (const { route, method } of called) {
  test(`${method} asks for ${route}`, async () => {
    const asked = new Set<string>();
    const note: typeof fetch = async (input, init = {}) => {
      asked.add(routeOf(init.method ?? "GET", new URL(String(input)).pathname));
      return new Response(new Headers(init.headers).get("accept") === "text/event-stream" ? event : answer);
    };
    const call = calls[method];
    assert.ok(call, "has no call in this file");
    await call(new MediaImport({ url: "https://media.test", token: "t", fetch: note }));
    assert.ok(asked.has(route), `it asks for ${[...asked].join(", ")}`);
  });
}

test("the table names each public method", () => {
  const { webhooks } = new MediaImport({ url: "https://media.test", token: "t" });
  const methods = (kind: object): string[] => Object.getOwnPropertyNames(kind).filter((each) => each !== "constructor" && each !== "keyed");
  const own = [...methods(MediaImport.prototype), ...methods(Object.getPrototypeOf(webhooks)).map((each) => `webhooks.${each}`)];
  const named = new Set(called.map(({ method }) => method.replace(/\(.*/, "")));
  assert.deepEqual([...named].sort(), own.sort());
});
