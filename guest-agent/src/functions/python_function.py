# A function's process: it imports the handler once, is frozen, and then answers events.
#
# The agent speaks to it over a Unix stream socket (`control`, put into this namespace by the starter). A
# message is kind, head length, body length (3 x u32, native order), a head of JSON and a body of bytes:
#   agent -> here   LOAD, SNAPSHOT, INVOKE, PING
#   here -> agent   READY, FAILED, RESULT, RAISED, RESTORE_FAILED, PIECE (of a result, which ends with RESULT)
# Runs on CPython 3.6 and later. Nothing of it is visible to the code that it runs.

import sys
import os
import gc
import json
import time
import traceback
import importlib

LOAD, SNAPSHOT, INVOKE, PING = 1, 2, 3, 4
READY, FAILED, RESULT, RAISED, RESTORE_FAILED, PIECE = 1, 2, 3, 4, 5, 6
ORDER = sys.byteorder
Module = type(sys)
request_id, logs_set_up = '', False
Generator = type(_ for _ in ())


def receive(size):
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        got = control.recv_into(view[at:])
        if not got:
            os._exit(0)
        at += got
    return bytes(data)


def next_message():
    words = receive(12)
    kind, head, body = (int.from_bytes(words[at:at + 4], ORDER) for at in (0, 4, 8))
    return kind, json.loads(receive(head).decode()) if head else {}, receive(body) if body else b''


def send(kind, head=None, body=b''):
    head = json.dumps(head).encode() if head else b''
    words = b''.join(word.to_bytes(4, ORDER) for word in (kind, len(head), len(body)))
    control.sendall(words + head + body if len(body) < 65536 else words + head)
    if len(body) >= 65536:
        control.sendall(body)


class Context:
    """What a handler is told about its invocation."""

    def __init__(self, head):
        self.aws_request_id = head['request_id']
        self.function_name = head['name']
        self.function_version = head['version']
        self.memory_limit_in_mb = str(head['memory_mib'])
        self.invoked_function_arn = 'arn:aws:lambda:local:000000000000:function:' + head['name']
        self.log_group_name = '/thaw/functions/' + head['name']
        self.log_stream_name = head['request_id']
        self.identity = None
        self.client_context = ClientContext.of(head.get('client_context'))
        self._until = time.monotonic() + head['timeout_ms'] / 1000.0

    def get_remaining_time_in_millis(self):
        return max(0, int((self._until - time.monotonic()) * 1000))


class ClientContext:
    """What a client of AWS says of itself."""

    def __init__(self, said):
        self.custom, self.env, self.client = (said.get(key) for key in ('custom', 'env', 'client'))

    @classmethod
    def of(cls, text):
        said = json.loads(text) if text else None
        return cls(said) if isinstance(said, dict) else None


Context.__module__ = ClientContext.__module__ = 'thaw'


def reseed():
    # Whatever drew random numbers before the freeze would draw the same ones in every clone.
    loaded = sys.modules
    module = loaded.get('random')
    if module is not None:
        module.seed()
    module = loaded.get('_ssl')
    if module is not None:
        module.RAND_add(os.urandom(64), 64.0)
    module = loaded.get('numpy.random')
    if module is not None:
        module.seed()
    module = loaded.get('tempfile')
    if module is not None:
        module._name_sequence = None
    module = loaded.get('uuid')
    if module is not None:
        module._node = None


def hooks(name, registered, module):
    # The handler's own hook, and those registered with AWS's snapshot_restore_py, if it is used.
    library = sys.modules.get('snapshot_restore_py')
    found = list(getattr(library, registered)()) if hasattr(library, registered) else []
    if registered == 'get_before_snapshot':
        found.reverse()
    for hook, arguments, keywords in found:
        finish(hook(*arguments, **keywords))
    own = getattr(module, name, None)
    if callable(own):
        finish(own())


def finish(value):
    # What an `async def` returns has done nothing until it is awaited.
    if hasattr(value, '__await__'):
        import asyncio
        asyncio.run(settle(value, None))


def is_async(function):
    # CO_COROUTINE or CO_ASYNC_GENERATOR
    return getattr(getattr(function, '__code__', None), 'co_flags', 0) & 0x280 != 0


def prepare():
    # What events and hooks need besides is imported before the freeze.
    library = sys.modules.get('snapshot_restore_py')
    registered = library.get_after_restore() if hasattr(library, 'get_after_restore') else []
    later = [handler, getattr(module, 'after_restore', None)] + [hook for hook, _, _ in registered]
    if any(is_async(function) for function in later):
        import asyncio


def trace_of(error):
    # The first frames are ours.
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == '<thaw>':
        trace = trace.tb_next
    frames = []
    for frame in traceback.extract_tb(trace):
        # Imports lead through the import system.
        if not frame.filename.startswith('<frozen importlib'):
            frames.append(frame)
    return frames


def complain(error, frames):
    lines = ['Traceback (most recent call last):\n'] if frames else []
    lines += traceback.format_list(frames)
    lines += traceback.format_exception_only(type(error), error)
    sys.stderr.write(''.join(lines))


def description(error, frames):
    return json.dumps({
        'errorMessage': str(error),
        'errorType': type(error).__name__,
        'stackTrace': traceback.format_list(frames),
    }).encode()


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


class HandlerError(Exception):
    pass


def load(head):
    global handler, module
    name, _, function = head['handler'].rpartition('.')
    if not name or not function:
        raise HandlerError("handler %r is not of the form module.function" % head['handler'])
    sys.path[0] = head['folder']
    name = name.replace('/', '.')
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + '.')):
            raise HandlerError("handler %r: there is no module %r in the code" % (head['handler'], name))
        raise
    handler = getattr(module, function, None)
    if handler is None:
        raise HandlerError("handler %r: module %r has no function %r" % (head['handler'], name, function))
    if not callable(handler):
        raise HandlerError("handler %r: %r of module %r is no function" % (head['handler'], function, name))
    set_up_logs()


def log_to_stderr(logging):
    # As Lambda's: whoever sets a level sees what is logged. Whoever has set up the root's handlers keeps them.
    global logs_set_up
    logs_set_up = True
    root = logging.getLogger()
    if root.handlers:
        return

    class Named(logging.Filter):
        def filter(self, record):
            record.aws_request_id = request_id
            return True

    class Handler(logging.StreamHandler):
        # Whatever standard error is when it is used.
        stream = property(lambda self: sys.stderr, lambda self, value: None)

    form = logging.Formatter('[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s',
                             '%Y-%m-%dT%H:%M:%S')
    form.converter = time.gmtime
    handler = Handler()
    handler.setFormatter(form)
    handler.addFilter(Named())
    root.addHandler(handler)


def set_up_logs():
    logging = sys.modules.get('logging')
    if not logs_set_up and logging is not None:
        log_to_stderr(logging)


def decode(head, body):
    kind = (head.get('content_type') or 'application/json').split(';')[0].strip().lower()
    if kind == 'application/json' or kind.endswith('+json'):
        return json.loads(body.decode()) if body else None
    return body.decode() if kind.startswith('text/') else body


def encode(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return 'application/octet-stream', bytes(value)
    return 'application/json', json.dumps(value, ensure_ascii=False).encode()


def piece_of(value):
    # What a generator yields: bytes and text as they are, everything else as a line of JSON.
    if isinstance(value, (bytes, bytearray, memoryview)):
        return 'application/octet-stream', bytes(value)
    if isinstance(value, str):
        return 'text/plain; charset=utf-8', value.encode()
    return 'application/x-ndjson', json.dumps(value, ensure_ascii=False).encode() + b'\n'


class Pieces:
    """A result that is made piece by piece: they go out as they come, where that is wanted; else they are gathered."""

    def __init__(self, head):
        self.head, self.kind, self.left, self.gathered = head, None, head['result_limit'], []

    def take(self, value):
        kind, piece = piece_of(value)
        self.kind = self.kind or kind
        self.left -= len(piece)
        if self.left < 0:
            raise ResponseSizeTooLarge('the result has more than %d bytes' % self.head['result_limit'])
        if self.head.get('pieces'):
            send(PIECE, {'content_type': self.kind}, piece)
        else:
            self.gathered.append(piece)

    def end(self):
        return self.kind or 'application/octet-stream', b''.join(self.gathered)


async def settle(value, pieces):
    # In one loop, which what is iterated may belong to.
    if hasattr(value, '__await__'):
        value = await value
    if not hasattr(value, '__aiter__'):
        return value
    async for piece in value:
        pieces.take(piece)
    return pieces


class ResponseSizeTooLarge(Exception):
    pass


ResponseSizeTooLarge.__name__ = 'Function.ResponseSizeTooLarge'


def raised(kind, error):
    frames = trace_of(error)
    complain(error, frames)
    flush()
    send(kind, {'content_type': 'application/json'}, description(error, frames))


def answer(function, head, body):
    global request_id
    request_id = head['request_id']
    set_up_logs()
    try:
        if head.get('restored'):
            reseed()
            hooks('after_restore', 'get_after_restore', module)
    except Exception as error:
        return raised(RESTORE_FAILED, error)
    try:
        value = function(decode(head, body), Context(head))
        if hasattr(value, '__await__') or hasattr(value, '__aiter__'):
            import asyncio
            value = asyncio.run(settle(value, Pieces(head)))
        if isinstance(value, Generator):
            pieces = Pieces(head)
            for piece in value:
                pieces.take(piece)
            value = pieces
        kind, result = value.end() if isinstance(value, Pieces) else encode(value)
        if len(result) > head['result_limit']:
            raise ResponseSizeTooLarge('the result has %d bytes; the limit is %d'
                                       % (len(result), head['result_limit']))
    except Exception as error:
        return raised(RAISED, error)
    flush()
    send(RESULT, {'content_type': kind}, result)


def rehearse_reseed():
    # The ways of `reseed`, with generators that nobody uses.
    loaded = sys.modules
    for module, kind in (('random', 'Random'), ('numpy.random', 'RandomState')):
        make = getattr(loaded.get(module), kind, None)
        if make is not None:
            make()
    module = loaded.get('_ssl')
    if module is not None:
        module.RAND_add(os.urandom(64), 64.0)


def echo(event, context):
    # Goes where an event goes, and touches nothing of the user's.
    rehearse_reseed()
    hooks('after_restore', 'get_nothing', main)
    context.get_remaining_time_in_millis()
    return event


def serve():
    while True:
        kind, head, body = next_message()
        if kind == INVOKE:
            answer(handler, head, body)
        elif kind == PING:
            answer(echo, head, body)
        elif kind == LOAD or kind == SNAPSHOT:
            try:
                if kind == LOAD:
                    load(head)
                else:
                    hooks('before_snapshot', 'get_before_snapshot', module)
                    prepare()
            except Exception as error:
                frames = trace_of(error)
                if isinstance(error, HandlerError):
                    sys.stderr.write('%s\n' % error)
                else:
                    complain(error, frames)
                flush()
                send(FAILED)
                continue
            flush()
            if kind == SNAPSHOT:
                gc.collect()
                if hasattr(gc, 'freeze'):
                    # Collections must not touch, and so copy, what is here.
                    gc.freeze()
            send(READY)


os.set_inheritable(control.fileno(), False)
if hasattr(sys.stdout, 'reconfigure'):
    # A process that dies has said what it said.
    sys.stdout.reconfigure(line_buffering=True)
main = Module('__main__')
sys.modules['__main__'] = main
sys.argv = ['thaw']
serve()
