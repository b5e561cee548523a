// A receiver that knows nothing of MediaImport: svix and standardwebhooks verify each message.
// Commands on stdin: `accept`, `hold` (no answer), `away` (nobody listens). Each message is a line of JSON on stdout.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

const [port, key] = [Number(process.env.PORT), process.env.SIGNING_KEY];
const verifiers = { svix: new SvixWebhook(key), standardwebhooks: new StandardWebhook(key) };
let mode = "accept";

const verifies = (verifier, body, headers) => {
  try {
    verifier.verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

const server = createServer(async (request, response) => {
  const chunks = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    return; // The operator was killed before it had sent all of it.
  }
  const body = Buffer.concat(chunks).toString();
  const accepted = mode === "accept";
  const verified = Object.fromEntries(
    Object.entries(verifiers).map(([name, each]) => [name, verifies(each, body, request.headers)]),
  );
  console.log(JSON.stringify({ id: request.headers["webhook-id"], event: JSON.parse(body), accepted, verified }));
  if (accepted) response.writeHead(204).end();
});

const listen = () => server.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ mode })));

createInterface({ input: process.stdin }).on("line", (line) => {
  const wasAway = mode === "away";
  mode = line.trim();
  if (mode === "away") {
    server.closeAllConnections();
    server.close(() => console.log(JSON.stringify({ mode })));
  } else if (wasAway) listen();
  else console.log(JSON.stringify({ mode }));
});
listen();
