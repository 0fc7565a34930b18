# A resident interpreter: it waits with everything warm, then becomes the program that it is given.
#
# The agent speaks to it over a Unix stream socket (`control`, put into this namespace by the starter):
#   agent -> here   mode, id, body length (3 x u32, native order) with three descriptors attached, body
#   here -> agent   id, event, value (u32, u32, i32)
# Runs on CPython 3.6 and later. Nothing of it is visible to the code that it runs.

import sys
import os
import gc
import atexit
import builtins
import linecache
import traceback
import _signal
import _socket
from _io import _IOBase
from importlib.machinery import BuiltinImporter

PROVE, RUN, FORK = 1, 2, 3
READY, DONE, STARTED, EXITED, FAILED = 1, 2, 3, 4, 5
ORDER = sys.byteorder
# Where the socket goes while the program runs: out of the way of its descriptors.
OUT_OF_THE_WAY = 1000
Module = type(sys)
children = {}


def number(data, at):
    return int.from_bytes(data[at:at + 4], ORDER)


def receive(size):
    data = control.recv(size, _socket.MSG_WAITALL) if size else b''
    while len(data) < size:
        more = control.recv(size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def event(ident, event, value):
    return (ident.to_bytes(4, ORDER) + event.to_bytes(4, ORDER)
            + value.to_bytes(4, ORDER, signed=True))


def send(ident, what, value):
    control.sendall(event(ident, what, value))


def next_request():
    head, attached, _, _ = control.recvmsg(
        12, _socket.CMSG_SPACE(12), _socket.MSG_WAITALL | 0x40000000)  # MSG_CMSG_CLOEXEC
    if not head:
        os._exit(0)
    if len(head) < 12:
        head += receive(12 - len(head))
    fds = [number(data, at) for _, _, data in attached for at in (0, 4, 8)]
    return number(head, 0), number(head, 4), receive(number(head, 8)), fds


def fields(body):
    # cwd, then pairs of name and value, then the code; the count of pairs comes first.
    at, found = 4, []
    for _ in range(2 + 2 * number(body, 0)):
        end = at + 4 + number(body, at)
        found.append(body[at + 4:end].decode('utf-8', 'surrogatepass'))
        at = end
    return found


def place(fds):
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)


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


def new_main():
    # What `python3 -c` starts with.
    main = Module('__main__')
    main.__dict__.update(__builtins__=builtins, __loader__=BuiltinImporter,
                         __annotations__={})
    sys.modules['__main__'] = main
    return main.__dict__


def prepare(body, fds):
    place(fds)
    found = fields(body)
    source = found.pop()
    if found[0]:
        os.chdir(found[0])
    for at in range(1, len(found), 2):
        os.environ[found[at]] = found[at + 1]
    reseed()
    sys.argv = ['-c']
    sys.orig_argv = [sys.executable, '-c', source]
    linecache.cache['<string>'] = (len(source), None, source.splitlines(True), '<string>')
    return source, new_main()


def report(error):
    # The first frame is ours.
    trace = error.__traceback__ and error.__traceback__.tb_next
    kind = type(error)
    if sys.excepthook is sys.__excepthook__:
        traceback.print_exception(kind, error, trace)
    else:
        sys.excepthook(kind, error, trace)


def execute(source, namespace):
    try:
        exec(compile(source, '<string>', 'exec', 0, True), namespace)
    except SystemExit as request:
        code = request.code
        if code is None:
            return 0
        if isinstance(code, int):
            return code & 255
        print(code, file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        report(error)
        return -2
    except BaseException as error:
        report(error)
        return 1
    return 0


def flush(stream):
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException as error:
        try:
            print('Exception ignored in:', repr(stream), file=sys.stderr)
            traceback.print_exception(type(error), error, None)
        except BaseException:
            pass
        return False
    return True


def finish(code, namespace, say):
    # What the interpreter's own end does, without taking it apart.
    try:
        threading = sys.modules.get('threading')
        if threading is not None:
            threading._shutdown()
    except BaseException as error:
        report(error)
    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass
    code = settle(code, namespace)
    if code == -2:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        os.kill(os.getpid(), _signal.SIGINT)
    if say is not None:
        say(code)
    os._exit(code)


def settle(code, namespace):
    # All that was written leaves its buffers, whoever holds them.
    if not flush(sys.stdout):
        code = 120
    for name in list(namespace):
        if name != '__builtins__':
            namespace[name] = None
    gc.collect()
    # Modules that the code has imported hold files too.
    for thing in gc.get_objects():
        # Not the abstract class, which is asked of in python.
        if isinstance(thing, _IOBase):
            try:
                if not thing.closed and thing.writable():
                    thing.flush()
            except BaseException:
                pass
    if not flush(sys.stdout):
        code = 120
    flush(sys.stderr)
    return code


def become(body, fds, say):
    control.close()
    source, namespace = prepare(body, fds)
    finish(execute(source, namespace), namespace, say)


def one_who_says(ident, what):
    # All is written by then; taking the process apart takes a while, and nobody needs to wait for it.
    me = os.getpid()
    try:
        os.dup2(control.fileno(), OUT_OF_THE_WAY, False)
    except OSError:
        return None

    def say(code):
        # A copy that the code made of itself comes here too; and the code may have closed everything.
        if os.getpid() == me:
            try:
                os.write(OUT_OF_THE_WAY, event(ident, what, code))
            except OSError:
                pass
    return say


def prove(ident, body, fds):
    # All that `become` and `finish` do, as far as the interpreter survives it.
    say = one_who_says(ident, DONE)
    _socket.socket(fileno=os.dup(control.fileno())).close()
    source, namespace = prepare(body, fds)
    code = execute(source, namespace)
    if not atexit._ncallbacks():
        atexit._run_exitfuncs()
    code = settle(code, namespace)
    if say is None:
        send(ident, DONE, code)
    else:
        say(code)
        os.close(OUT_OF_THE_WAY)


def reap(_signum, _frame):
    while children:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ident = children.pop(pid, None)
        if ident is not None:
            value = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            send(ident, EXITED, value)


def fork(ident, body, fds):
    _signal.signal(_signal.SIGCHLD, reap)
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGCHLD])
    try:
        pid = os.fork()
    except OSError as error:
        pid = -error.errno
    if pid == 0:
        os.setpgid(0, 0)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
        become(body, fds, None)
    for fd in fds:
        os.close(fd)
    if pid < 0:
        send(ident, FAILED, -pid)
    else:
        try:
            # Here too, so that the group is there when the agent hears of it.
            os.setpgid(pid, pid)
        except OSError:
            pass
        children[pid] = ident
        send(ident, STARTED, pid)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def serve():
    gc.collect()
    if hasattr(gc, 'freeze'):
        # What is here lives as long as the process: collections must not touch, and so copy, it.
        gc.freeze()
    send(0, READY, sys.hexversion)
    while True:
        mode, ident, body, fds = next_request()
        if mode == PROVE:
            prove(ident, body, fds)
        elif mode == RUN:
            become(body, fds, one_who_says(ident, EXITED))
        elif mode == FORK:
            fork(ident, body, fds)


serve()
