// A function's process: it loads the handler once, is frozen, and then answers events.
//
// The agent speaks to it over a Unix stream socket (descriptor 3). A message is kind, head length, body length
// (3 x u32, little endian), a head of JSON and a body of bytes:
//   agent -> here   LOAD, SNAPSHOT, INVOKE, PING
//   here -> agent   READY, FAILED, RESULT, RAISED, RESTORE_FAILED, PIECE (of a result, which ends with RESULT)
// Runs on node 18 and later.
'use strict';
(() => {
  const net = require('net'), fs = require('fs'), path = require('path'), crypto = require('crypto');
  const { pathToFileURL } = require('url');
  const LOAD = 1, SNAPSHOT = 2, INVOKE = 3, PING = 4;
  const READY = 1, FAILED = 2, RESULT = 3, RAISED = 4, RESTORE_FAILED = 5, PIECE = 6;
  const control = new net.Socket({ fd: 3, readable: true, writable: true });
  const exit = process.reallyExit.bind(process);
  const parse = JSON.parse, stringify = JSON.stringify;
  let exported, handler, fail;

  // Every clone has the generators of the template. Those that V8 and node keep to themselves are replaced, or
  // noticed when they are used, before any code of the user's can hold on to them.
  const state = new BigUint64Array(2);
  const seedMathRandom = () => crypto.randomFillSync(state);
  const MASK = (1n << 64n) - 1n;
  const mathRandom = Math.random;
  let woken = false;
  Math.random = function random() {
    if (!woken) return mathRandom();
    // xorshift128+, as V8's own.
    let a = state[0];
    const b = state[1];
    state[0] = b;
    a ^= (a << 23n) & MASK;
    a ^= a >> 17n;
    a ^= b ^ (b >> 26n);
    state[1] = a;
    return Number((state[0] + a & MASK) >> 11n) / 9007199254740992;
  };
  const cached = { randomUUID: 128, randomInt: 1024 };
  const used = new Set();
  const drains = {};
  for (const name of Object.keys(cached)) {
    const original = crypto[name];
    drains[name] = name === 'randomInt' ? () => original(2) : () => original();
    crypto[name] = function (...given) {
      used.add(name);
      return original.apply(this, given);
    };
  }
  const web = crypto.webcrypto;
  if (web && web.randomUUID) {
    const original = web.randomUUID.bind(web);
    Object.defineProperty(web, 'randomUUID', {
      configurable: true, writable: true,
      value: () => { used.add('randomUUID'); return original(); },
    });
  }
  require('module').syncBuiltinESMExports();

  function reseed() {
    // OpenSSL itself asks the kernel again: the clock has been moved on by more than it bears.
    seedMathRandom();
    woken = true;
    for (const name of used) {
      for (let i = 0; i < cached[name]; i++) drains[name]();
    }
  }

  function send(kind, head, body) {
    head = head ? Buffer.from(stringify(head)) : Buffer.alloc(0);
    body = body || Buffer.alloc(0);
    const words = Buffer.alloc(12);
    words.writeUInt32LE(kind, 0);
    words.writeUInt32LE(head.length, 4);
    words.writeUInt32LE(body.length, 8);
    return control.write(Buffer.concat([words, head, body]));
  }

  function complain(error) {
    process.stderr.write((error && error.stack ? error.stack : String(error)) + '\n');
  }

  function description(error) {
    const isError = error instanceof Error;
    const trace = isError && error.stack ? error.stack.split('\n').slice(1).map((line) => line.trim()) : [];
    return Buffer.from(stringify({
      errorMessage: isError ? error.message : String(error),
      errorType: isError ? error.name : typeof error,
      stackTrace: trace.filter((line) => !line.includes('[eval]')),
    }));
  }

  class HandlerError extends Error {}

  async function loadModule(file) {
    if (file.endsWith('.mjs')) return import(pathToFileURL(file).href);
    try {
      return require(file);
    } catch (error) {
      if (error && error.code === 'ERR_REQUIRE_ESM') return import(pathToFileURL(file).href);
      throw error;
    }
  }

  async function load(head) {
    const cut = head.handler.lastIndexOf('.');
    if (cut < 1 || cut === head.handler.length - 1) {
      throw new HandlerError(`handler '${head.handler}' is not of the form module.function`);
    }
    const name = head.handler.slice(0, cut), key = head.handler.slice(cut + 1);
    const base = path.resolve(head.folder, name);
    const file = ['.js', '.mjs', '.cjs'].map((end) => base + end).find((file) => fs.existsSync(file));
    if (!file) {
      throw new HandlerError(`handler '${head.handler}': there is no ${name}.js, .mjs or .cjs in the code`);
    }
    exported = await loadModule(file);
    handler = exported[key] || (exported.default && exported.default[key]);
    if (typeof handler !== 'function') {
      throw new HandlerError(`handler '${head.handler}': ${path.basename(file)} exports no function '${key}'`);
    }
  }

  async function hook(...names) {
    for (const name of names) {
      const found = exported && (exported[name] || (exported.default && exported.default[name]));
      if (typeof found === 'function') await found();
    }
  }

  function decode(head, body) {
    const kind = (head.content_type || 'application/json').split(';')[0].trim().toLowerCase();
    if (kind === 'application/json' || kind.endsWith('+json')) return body.length ? parse(body.toString()) : null;
    return kind.startsWith('text/') ? body.toString() : body;
  }

  function encode(value) {
    if (Buffer.isBuffer(value) || value instanceof Uint8Array) {
      return ['application/octet-stream', Buffer.from(value)];
    }
    const text = stringify(value);
    return ['application/json', Buffer.from(text === undefined ? 'null' : text)];
  }

  class ResponseSizeTooLarge extends Error {}
  ResponseSizeTooLarge.prototype.name = 'Function.ResponseSizeTooLarge';

  // Generators, sync or not, and streams; not what JSON knows.
  function comesInPieces(value) {
    if (value === null || typeof value !== 'object') return false;
    return typeof value[Symbol.asyncIterator] === 'function' || value[Symbol.toStringTag] === 'Generator';
  }

  // What is yielded: bytes and text as they are, everything else as a line of JSON.
  function pieceOf(value) {
    if (typeof value === 'string') return ['text/plain; charset=utf-8', Buffer.from(value)];
    const [type, bytes] = encode(value);
    return type === 'application/json' ? ['application/x-ndjson', Buffer.concat([bytes, Buffer.from('\n')])] : [type, bytes];
  }

  // Its pieces go out as they come, where that is wanted; else they are gathered.
  async function generate(values, head) {
    const mine = fail, gathered = [];
    let type, left = head.result_limit;
    for await (const value of values) {
      const [kind, piece] = pieceOf(value);
      type = type || kind;
      left -= piece.length;
      if (left < 0) throw new ResponseSizeTooLarge(`the result has more than ${head.result_limit} bytes`);
      // What went wrong meanwhile has been told.
      if (fail !== mine) break;
      if (!head.pieces) gathered.push(piece);
      else if (!send(PIECE, { content_type: type }, piece)) await new Promise((done) => control.once('drain', done));
    }
    return [type || 'application/octet-stream', Buffer.concat(gathered)];
  }

  // Errors that nobody catches are the event's too.
  const guarded = (run) => new Promise((done, failed) => {
    fail = failed;
    run(done, failed);
  });

  function context(head) {
    const until = performance.now() + head.timeout_ms;
    return {
      awsRequestId: head.request_id,
      functionName: head.name,
      functionVersion: head.version,
      memoryLimitInMB: String(head.memory_mib),
      invokedFunctionArn: 'arn:aws:lambda:local:000000000000:function:' + head.name,
      logGroupName: '/thaw/functions/' + head.name,
      logStreamName: head.request_id,
      clientContext: head.client_context ? parse(head.client_context) : undefined,
      callbackWaitsForEmptyEventLoop: false,
      getRemainingTimeInMillis: () => Math.max(0, Math.floor(until - performance.now())),
    };
  }

  // Waits until everything that was said has been handed to the agent.
  const flushed = () => new Promise((done) => process.stdout.write('', () => process.stderr.write('', done)));

  async function answer(run, head, body) {
    // Until the hooks have run.
    let kind = RESTORE_FAILED, type, result;
    try {
      if (head.restored) {
        reseed();
        await hook('afterRestore', 'after_restore');
      }
      kind = RAISED;
      const event = decode(head, body);
      const value = await guarded((done, failed) => {
        const callback = (error, value) => (error ? failed(error) : done(value));
        const returned = run(event, context(head), callback);
        // Not done(returned): a promise that waits for another one hears no other error.
        if (returned !== undefined || run.length < 3) Promise.resolve(returned).then(done, failed);
      });
      [type, result] = comesInPieces(value)
        ? await guarded((done, failed) => generate(value, head).then(done, failed))
        : encode(value);
      if (result.length > head.result_limit) {
        throw new ResponseSizeTooLarge(`the result has ${result.length} bytes; the limit is ${head.result_limit}`);
      }
      kind = RESULT;
    } catch (error) {
      complain(error);
      [type, result] = ['application/json', description(error)];
    }
    fail = undefined;
    await flushed();
    send(kind, { content_type: type }, result);
  }

  const echo = (event, context) => (context.getRemainingTimeInMillis(), event);

  async function serve(kind, head, body) {
    if (kind === INVOKE) return answer(handler, head, body);
    if (kind === PING) return answer(echo, head, body);
    try {
      if (kind === LOAD) await load(head);
      else await hook('beforeSnapshot', 'before_snapshot');
    } catch (error) {
      if (error instanceof HandlerError) process.stderr.write(error.message + '\n');
      else complain(error);
      await flushed();
      return send(FAILED);
    }
    if (kind === SNAPSHOT && globalThis.gc) globalThis.gc();
    await flushed();
    send(READY);
  }

  process.on('uncaughtException', (error) => {
    if (fail) return fail(error);
    complain(error);
    exit(1);
  });

  let pieces = [], have = 0;
  control.on('data', (piece) => {
    pieces.push(piece);
    have += piece.length;
    for (;;) {
      if (have < 12) return;
      if (pieces.length > 1 && pieces[0].length < 12) pieces = [Buffer.concat(pieces)];
      const head = pieces[0].readUInt32LE(4), body = pieces[0].readUInt32LE(8);
      const whole = 12 + head + body;
      if (have < whole) return;
      const waiting = Buffer.concat(pieces);
      const message = waiting.subarray(0, whole);
      pieces = [waiting.subarray(whole)];
      have -= whole;
      const text = head ? parse(message.subarray(12, 12 + head).toString()) : {};
      serve(message.readUInt32LE(0), text, message.subarray(12 + head));
    }
  });
  control.on('end', () => exit(0));
})();
