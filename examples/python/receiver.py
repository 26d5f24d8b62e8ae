"""Receives Bellhop's deliveries: verifies each, stores each event once, answers, and works on it afterwards.

    WEBHOOK_SECRET=whsec_… python3 receiver.py

It needs Python 3.9 and nothing else. The inbox is an SQLite database, whose key is the id of the event.
"""

import base64
import hashlib
import hmac
import os
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "9000"))
INBOX = os.environ.get("INBOX", "inbox.db")
MAX_BYTES = 1 << 20
TOLERANCE = 300  # seconds

there_is_work = threading.Event()


def connect():
    """A connection for one thread. A commit is on disk."""
    return sqlite3.connect(INBOX, timeout=5)


def is_authentic(headers, body):
    event, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdigit()) or abs(time.time() - int(at)) > TOLERANCE:
        return False
    mac = hmac.new(KEY, f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
    want = b"v1," + base64.b64encode(mac)
    given = headers.get("webhook-signature", "").encode().split()  # two while a secret is replaced
    return any(hmac.compare_digest(want, each) for each in given)


def keep(event, body):
    """Stores an event before it is answered. It returns False for a repeat."""
    with connect() as inbox:
        stored = inbox.execute("INSERT OR IGNORE INTO events (id, body) VALUES (?, ?)", (event, body))
        return stored.rowcount == 1


def work():
    """Does what the events ask for, the oldest first. An event may be worked on twice, if the program ends in between."""
    inbox = connect()
    while True:
        there_is_work.clear()
        rows = inbox.execute("SELECT id, body FROM events WHERE done = 0 ORDER BY rowid").fetchall()
        for event, body in rows:
            print("new", event, body.decode(errors="replace"), flush=True)
            with inbox:
                inbox.execute("UPDATE events SET done = 1 WHERE id = ?", (event,))
        if not rows:
            there_is_work.wait()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 15

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return self.answer(411)
        if int(length) > MAX_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))  # the bytes as they came: the signature covers them
        if not is_authentic(self.headers, body):
            return self.answer(401)
        event = self.headers["webhook-id"]
        try:
            is_new = keep(event, body)
        except sqlite3.Error as err:
            print("not stored:", err, flush=True)
            return self.answer(503)  # it is tried again
        if is_new:
            there_is_work.set()
        else:
            print("repeat", event, flush=True)
        self.answer(204)

    def answer(self, status):
        if status >= 400:
            self.close_connection = True  # a body may be left that was not read
        self.send_response(status)
        self.send_header("content-length", "0")
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, *_):
        pass


with connect() as first:
    first.execute("CREATE TABLE IF NOT EXISTS events "
                  "(id TEXT PRIMARY KEY, body BLOB NOT NULL, done INTEGER NOT NULL DEFAULT 0)")
threading.Thread(target=work, daemon=True).start()
server = ThreadingHTTPServer((HOST, PORT), Receiver)
print(f"receiving on http://{HOST}:{PORT}", flush=True)
server.serve_forever()
