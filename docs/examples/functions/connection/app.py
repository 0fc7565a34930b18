"""A function with a connection: `thaw fn deploy talk --image python --handler app.handle --code connection`

A connection that is open at the freeze would be one and the same in every clone, and its other end would know of none of them.
So it is closed before the freeze, and each clone opens one of its own.
"""

import os
import socket
import socketserver
import threading


class Session(socketserver.StreamRequestHandler):
    """Gives each connection a session of its own and answers each line with it."""

    def handle(self):
        session = os.urandom(8).hex()
        for _ in self.rfile:
            self.wfile.write(f"{session}\n".encode())


# Stands in for a database, on the guest's own loopback.
store = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
store.daemon_threads = True
threading.Thread(target=store.serve_forever, daemon=True).start()


def connect():
    global connection, lines
    connection = socket.create_connection(store.server_address, timeout=10)
    lines = connection.makefile()


def ask():
    connection.sendall(b"who am I?\n")
    return lines.readline().strip()


# Used while the function initialises, as one that loads something from its database does.
connect()
AT_IMPORT = ask()


def before_snapshot():
    lines.close()
    connection.close()


def after_restore():
    connect()


def handle(event, context):
    return {"at_import": AT_IMPORT, "session": ask()}
