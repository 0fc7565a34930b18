"""A server: `thaw fn deploy site --image python --port 8080 --code http -- python3 server.py`

It is frozen once it listens. Each request is carried to a fresh clone of it.
"""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(f"You asked for {self.path}\n".encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.answer(f"You sent {len(body)} bytes\n".encode())


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
