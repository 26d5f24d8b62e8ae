"""A stand-in for a collector of traces: it keeps what is posted, and answers GET /ID with 200 if a trace of that id came."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

bodies = []


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.answer(200 if self.path == "/v1/traces" else 404)

    def do_GET(self):
        trace = bytes.fromhex(self.path.lstrip("/"))
        self.answer(200 if any(trace in body for body in bodies) else 404)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", 4318), Collector).serve_forever()
