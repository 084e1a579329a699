"""What `partgate put` is measured against: the same program, with nobody to ask.

Answers the calls of one upload as a gateway would, from memory: the multipart upload is open and every URL is signed
before the clock starts, and nothing is written down. Only Complete is passed on, because the store has to do that.
"""

import json
import threading
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib.s3 import S3
from transfer.wire import part_count


class StandIn:
    """Takes one upload after the other, each prepared by `prepare`."""

    def __init__(self, store, part_bytes):
        self._store, self._part_bytes = store, part_bytes
        handler = type("Handler", (Handler,), {"standin": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def prepare(self, key, filename, size):
        s3 = S3(self._store)
        self.key, self.filename, self.size = key, filename, size
        self.s3_upload_id = s3.create_multipart(key)
        self.count = part_count(size, self._part_bytes)
        self.urls = {number: s3.presigned_put(key, self.s3_upload_id, number) for number in range(1, self.count + 1)}
        self.upload_id, self.etags = str(uuid.uuid4()), {}
        now = datetime.now(timezone.utc)
        self.now, self.expires_at = stamp(now), stamp(now + timedelta(hours=1))

    def answer(self, path, body):
        """Status and JSON."""
        self.etags |= {part["number"]: part["etag"] for part in body.get("stored") or []}
        verb = path.rpartition("/")[2]
        if verb == "init":
            return 201, {
                "upload_id": self.upload_id, "bucket": self._store.bucket, "key": self.key, "filename": self.filename,
                "size": self.size, "part_size": self._part_bytes, "total_parts": self.count,
                "checksum_algorithm": body["checksum_algorithm"], "state": "open", "created_at": self.now,
                "expires_at": self.expires_at, "parts": [],
            }
        progress = {"total_parts": self.count, "received_parts": len(self.etags), "bytes_received": 0, "percent": 0.0}
        if verb == "sign":
            return 200, {"expires_at": self.expires_at, "parts": list(map(self._signed, body["parts"])), **progress}
        if verb == "complete":
            S3(self._store).complete_multipart(self.key, self.s3_upload_id, sorted(self.etags.items()))
            return 200, {
                "upload_id": self.upload_id, "state": "completed", "bucket": self._store.bucket, "key": self.key,
                "location": f"{self._store.endpoint}/{self._store.bucket}/{self.key}", "size": self.size,
                "etag": '"of-the-stand-in"', "completed_at": self.now,
            }
        return 200, progress

    def _signed(self, wanted):
        number, checksum = (wanted, None) if isinstance(wanted, int) else (wanted["number"], wanted.get("checksum"))
        offset = (number - 1) * self._part_bytes
        # MinIO checks it although the URL does not cover it.
        headers = {"x-amz-checksum-crc64nvme": checksum} if checksum else {}
        return {"number": number, "method": "PUT", "url": self.urls[number], "headers": headers, "offset": offset,
                "size": min(self._part_bytes, self.size - offset)}

    def stop(self):
        self._http.shutdown()
        self._http.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin = None

    def do_POST(self):  # noqa: N802: named by http.server
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        status, answer = self.standin.answer(self.path, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing: it would be in the way of the measurements."""


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
