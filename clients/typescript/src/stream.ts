// Server-Sent Events of one asset or of all, read from `fetch`: EventSource cannot send a token.
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

import { ProblemError } from "./errors.js";
import { isTransient, sleep, type Transport } from "./transport.js";
import type { Asset } from "./types.js";

/** What a stream tells. `lastEventId` is undefined where others of the same moment follow. */
export type StreamEvent = { lastEventId: string | undefined } & (
  | { type: "reset" }
  | { type: "asset"; asset: Asset }
  | { type: "gone"; id: string }
);

interface Message {
  event: string;
  id: string | undefined;
  data: string;
}

/** The server sends a comment every 15 seconds; a connection that is silent for longer than this is dead. */
const SILENCE_MS = 45_000;

/** Collects lines into messages; `retryMs` is the server's time to reconnect. */
export class MessageParser {
  retryMs = 3000;
  private rest = "";
  private event = "";
  private id: string | undefined;
  private data: string[] = [];

  /** Return the messages that this piece of text ends. */
  push(text: string): Message[] {
    const messages: Message[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line) this.field(line);
      else if (this.data.length) messages.push(this.take());
    }
    return messages;
  }

  private field(line: string): void {
    const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === "event") this.event = value;
    else if (name === "id") this.id = value;
    else if (name === "data") this.data.push(value);
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  private take(): Message {
    const message = { event: this.event || "message", id: this.id, data: this.data.join("\n") };
    [this.event, this.id, this.data] = ["", undefined, []];
    return message;
  }
}

/** Yield the events of one path for ever, over reconnections; ProblemError if the server refuses. */
export async function* follow(
  transport: Transport,
  path: string,
  { signal, lastEventId }: { signal?: AbortSignal | undefined; lastEventId?: string | undefined },
): AsyncGenerator<StreamEvent, void, undefined> {
  const parser = { retryMs: 3000 };
  for (let last = lastEventId; ; ) {
    try {
      for await (const event of connection(transport, path, { signal, lastEventId: last, parser })) {
        last = event.lastEventId ?? last;
        yield event;
      }
    } catch (error) {
      if (signal?.aborted || (error instanceof ProblemError && !isTransient(error))) throw error;
      if (error instanceof ProblemError) parser.retryMs = Math.max(parser.retryMs, (error.retryAfter ?? 0) * 1000);
    }
    await sleep(parser.retryMs * (1 + Math.random() / 2), signal);
  }
}

interface Connecting {
  signal: AbortSignal | undefined;
  lastEventId: string | undefined;
  parser: { retryMs: number };
}

async function* connection(
  transport: Transport,
  path: string,
  { signal, lastEventId, parser }: Connecting,
): AsyncGenerator<StreamEvent, void, undefined> {
  const silence = new AbortController();
  const headers = { Accept: "text/event-stream", ...(lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId }) };
  const either = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
  const alarm = (): ReturnType<typeof setTimeout> => setTimeout(() => silence.abort(), SILENCE_MS);
  let timer = alarm();
  const messages = new MessageParser();
  try {
    const answer = await transport.send(path, { headers, signal: either });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
      clearTimeout(timer);
      timer = alarm();
      for (const message of messages.push(piece.value)) {
        const event = read(message);
        if (event) yield event;
      }
      parser.retryMs = messages.retryMs;
    }
  } finally {
    clearTimeout(timer);
    // Ends the request, whatever ended the loop.
    silence.abort();
  }
}

function read({ event, id, data }: Message): StreamEvent | undefined {
  switch (event) {
    case "reset":
      return { type: "reset", lastEventId: id };
    case "asset":
      return { type: "asset", asset: JSON.parse(data) as Asset, lastEventId: id };
    case "gone":
      // The stream of one asset does not repeat the id.
      return { type: "gone", id: (JSON.parse(data) as { id?: string }).id ?? "", lastEventId: id };
    default:
      // Of a later version.
      return undefined;
  }
}
