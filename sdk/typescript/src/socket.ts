// One running program and its WebSocket.
//
//   connecting ──► running ──► exit          the server's last word, then both close
//        │            ├──────► failed        its last word is an error, or there is none
//        │            └──────► left          closed or aborted here: the server ends the program
//        └──► refused

import { WebSocket } from "ws";

import { type Bytes, bytesOf } from "./bytes.js";
import { brokenOff, described, notReached, ThawConnectionError } from "./errors.js";
import { type Api, failure } from "./http/api.js";
import { fromWire, toWire } from "./http/names.js";
import { Inbox } from "./inbox.js";
import type { ExecExit, Schemas } from "./types.js";

/** The largest message that is sent, in bytes; the server takes 1 MiB. */
const PIECE_BYTES = 256 << 10;
/** How long the server has for its answer, and to close, in milliseconds. */
const CONNECT_MS = 30_000;
const FAREWELL_MS = 1_000;
/** The server pings every 20 s. A connection that is read and says nothing for so long is taken for dead. */
const SILENCE_MS = 70_000;

/** A program's output, input, and end. */
export class ProgramSocket {
  readonly #server: string;
  readonly #socket: WebSocket;
  readonly #inbox: Inbox;
  readonly #closed: Promise<void>;
  readonly #silence: NodeJS.Timeout;
  #exit: ExecExit | undefined;

  private constructor(server: string, socket: WebSocket, signal: AbortSignal | undefined) {
    this.#server = server;
    this.#socket = socket;
    this.#inbox = new Inbox((full) => {
      if (full) {
        socket.pause();
        return;
      }
      this.#silence.refresh();
      socket.resume();
    });
    this.#silence = setTimeout(() => {
      if (socket.isPaused) this.#silence.refresh();
      else socket.terminate();
    }, SILENCE_MS);
    const leave = (): void => {
      this.#inbox.fail(signal?.reason);
      void this.close();
    };
    signal?.addEventListener("abort", leave, { once: true });
    socket.on("ping", () => this.#silence.refresh());
    socket.on("message", (data: Buffer, isBinary) => {
      this.#silence.refresh();
      this.#take(data, isBinary);
    });
    this.#closed = new Promise((resolve) => {
      socket.once("close", () => {
        clearTimeout(this.#silence);
        signal?.removeEventListener("abort", leave);
        this.#inbox.fail(brokenOff(server, "that has ended the program"));
        resolve();
      });
    });
    // An error is followed by the close, which tells of it.
    socket.on("error", () => undefined);
  }

  /**
   * Connects.
   *
   * @throws {@link ThawError} when the server refuses, the signal's reason when it aborts.
   */
  static async connect(api: Api, url: URL, signal: AbortSignal | undefined): Promise<ProgramSocket> {
    signal?.throwIfAborted();
    const address = new URL(url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, {
      headers: api.credentials,
      perMessageDeflate: false,
      handshakeTimeout: CONNECT_MS,
      // The server's messages are pieces of output; their size is its own affair.
      maxPayload: 0,
    });
    const program = new ProgramSocket(api.server, socket, signal);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", (error) => {
        reject(notReached(api.server, error));
      });
      socket.once("close", () => {
        reject(brokenOff(api.server, "nothing was started"));
      });
      socket.once("unexpected-response", (request, response) => {
        void (async () => {
          const pieces: Uint8Array[] = [];
          try {
            for await (const piece of response as AsyncIterable<Buffer>) pieces.push(piece);
          } catch {
            // What came of it is all that there is to tell.
          }
          request.destroy();
          reject(failure(response.statusCode ?? 0, pieces, response.headers["retry-after"]));
        })();
      });
    }).catch((error: unknown) => {
      socket.terminate();
      signal?.throwIfAborted();
      throw error;
    });
    return program;
  }

  /** How the program ended; undefined while it runs. */
  get exit(): ExecExit | undefined {
    return this.#exit;
  }

  /** The next message of output; undefined when the program has ended. */
  next(): Promise<Uint8Array | undefined> {
    return this.#inbox.next();
  }

  /** Reads to the end and says how the program ended. */
  async wait(): Promise<ExecExit> {
    while ((await this.next()) !== undefined);
    if (this.#exit === undefined) throw brokenOff(this.#server, "that has ended the program");
    return this.#exit;
  }

  /** Sends what the program is to read. */
  async write(data: Bytes): Promise<void> {
    const bytes = bytesOf(data);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      await this.#send(bytes.subarray(at, at + PIECE_BYTES));
    }
  }

  /** Sends a word to the program. */
  control(control: Schemas["SocketControl"] | Schemas["ExecSocketStart"]): Promise<void> {
    return this.#send(JSON.stringify(toWire(control)));
  }

  /** Leaves, and waits until the connection is closed. */
  async close(): Promise<void> {
    // What still comes is read, and thrown away, so that the close is seen.
    this.#inbox.fail(new ThawConnectionError("the program was left, which has ended it"));
    this.#inbox.clear();
    this.#socket.close();
    const late = setTimeout(() => {
      this.#socket.terminate();
    }, FAREWELL_MS);
    await this.#closed;
    clearTimeout(late);
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.#inbox.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      return;
    }
    const end = fromWire(JSON.parse(data.toString())) as Schemas["SocketEnd"];
    if (end.type === "exit") {
      this.#exit = end;
      this.#inbox.finish();
    } else this.#inbox.fail(described(end));
  }

  async #send(message: Uint8Array | string): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#socket.send(message, (error) => {
          if (error) reject(error);
          else resolve();
        });
      });
    } catch (error) {
      // A program that has ended reads no more, as a pipe's reader that is gone.
      if (this.#exit !== undefined) return;
      const known = this.#inbox.failure as Error | undefined;
      throw known ?? brokenOff(this.#server, "that has ended the program", error);
    }
  }
}
