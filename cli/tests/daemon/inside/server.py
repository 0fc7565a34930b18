"""A server in the machine: shows what it gets, streams, breaks off, changes protocols."""

import base64
import hashlib
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pieces(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        elif length := int(self.headers.get("Content-Length", 0)):
            yield self.rfile.read(length)

    def messages(self):
        """Texts come back in capitals, everything else as it is, until the client closes (RFC 6455, 5.2)."""
        kind = None
        while kind != 8 and (head := self.rfile.read(2)):
            kind, length = head[0] & 15, head[1] & 127
            if length == 126:
                length = int.from_bytes(self.rfile.read(2), "big")
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            data = data.upper() if kind == 1 else data
            size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
            self.wfile.write(bytes([0x80 | kind]) + size + data)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def any(self):
        path = self.path.split("?")[0]
        if path == "/mirror":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in self.pieces():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        elif path == "/upper":
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", self.headers["Upgrade"])
            self.end_headers()
            while data := self.connection.recv(4096):
                self.connection.sendall(data.upper())
            self.close_connection = True
        elif path == "/ws":
            word = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(word.encode()).digest()).decode())
            self.end_headers()
            self.messages()
            self.close_connection = True
        elif path == "/wait":
            open("/tmp/arrived", "w").close()
            self.connection.recv(1)
            open("/tmp/left", "w").close()
            self.close_connection = True
        elif path == "/redirect":
            self.answer(302, Location="/target", Set_Cookie="a=1")
        elif path == "/away":
            self.answer(302, Location="http://example.org/")
        elif path == "/close":
            self.close_connection = True
        else:
            body = b"".join(self.pieces())
            seen = {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "length": len(body),
                "text": body[:100].decode(errors="replace"),
            }
            self.answer(201, json.dumps(seen).encode(), Content_Type="application/json")

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.any
        raise AttributeError(name)

    def log_message(self, *arguments):
        pass


Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
