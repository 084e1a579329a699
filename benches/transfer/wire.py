"""The lightest client there is, so that what is measured is the server.

Parts go from the page cache to the socket without a copy (sendfile), answers come into one buffer.
"""

import hashlib
import os
import socket
import struct
import threading
import time
import urllib.parse

from lib.s3 import S3

TIMEOUT_SECONDS = 300


class Wire:
    """One kept HTTP/1.1 connection."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Python's own timeout makes a socket non-blocking, which sendfile cannot use: the system's does not.
        self._socket.settimeout(None)
        seconds = struct.pack("ll", TIMEOUT_SECONDS, 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, seconds)

    def put(self, url, file, offset, length, headers=None):
        """Sends a piece of a file; the answer's headers, once it is a success."""
        lines = {"content-length": length, **(headers or {})}
        self._begin("PUT", url, lines)
        end = offset + length
        while offset < end:
            offset += os.sendfile(self._socket.fileno(), file.fileno(), offset, end - offset)
        status, received, body = self._head()
        left = int(received.get("content-length", 0)) - len(body)
        while left > 0:
            more = self._socket.recv(left)
            left -= len(more)
            body += more
        succeeded(status, body)
        return received

    def get(self, url, take):
        """Reads an answer; `take` is given its body piece by piece. The number of its bytes."""
        self._begin("GET", url, {})
        status, received, body = self._head()
        size = int(received["content-length"])
        if status != 200:
            succeeded(status, body)
        take(body)
        left = size - len(body)
        buffer = memoryview(bytearray(1 << 20))
        while left > 0:
            count = self._socket.recv_into(buffer, min(left, len(buffer)))
            if not count:
                raise RuntimeError(f"the answer ends {left} bytes early")
            take(buffer[:count])
            left -= count
        return size

    def close(self):
        self._socket.close()

    def _begin(self, method, url, headers):
        parts = urllib.parse.urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": self._host, **headers}.items())
        self._socket.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())

    def _head(self):
        received = b""
        while b"\r\n\r\n" not in received:
            more = self._socket.recv(1 << 16)
            if not more:
                raise RuntimeError(f"the connection ends with {received[:200]!r}")
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        return int(first.split()[1]), headers, body


def succeeded(status, body):
    if not 200 <= status < 300:
        raise RuntimeError(f"{status}: {body[:500]!r}")


def part_count(size, part_bytes):
    return -(-size // part_bytes)


def send_parts(origin, path, part_bytes, connections, url_of):
    """All parts of a file, so many at once; `url_of(number)` gives the URL to PUT to. The ETags by number, in order."""
    size = os.path.getsize(path)
    numbers = iter(range(1, part_count(size, part_bytes) + 1))
    taking = threading.Lock()
    etags, failures = {}, []

    def work():
        wire = Wire(origin)
        try:
            while not failures:
                with taking:
                    number = next(numbers, None)
                if number is None:
                    return
                offset = (number - 1) * part_bytes
                answer = wire.put(url_of(number), file, offset, min(part_bytes, size - offset))
                etags[number] = answer["etag"]
        except Exception as error:  # noqa: BLE001: told by whoever waits
            failures.append(error)
        finally:
            wire.close()

    with open(path, "rb") as file:
        threads = [threading.Thread(target=work) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return sorted(etags.items())


def upload(store, key, path, part_bytes, connections=4):
    """A whole multipart upload, by URLs that are signed before the clock starts. Seconds, Complete included."""
    client = S3(store)
    upload_id = client.create_multipart(key)
    count = part_count(os.path.getsize(path), part_bytes)
    urls = {number: client.presigned_put(key, upload_id, number) for number in range(1, count + 1)}
    started = time.monotonic()
    etags = send_parts(store.endpoint, path, part_bytes, connections, urls.__getitem__)
    client.complete_multipart(key, upload_id, etags)
    return time.monotonic() - started


def download(store, key, take=lambda piece: None):
    """Reads an object in one GET. Seconds and bytes."""
    url = S3(store).presigned("GET", key)
    wire = Wire(store.endpoint)
    try:
        started = time.monotonic()
        size = wire.get(url, take)
        return time.monotonic() - started, size
    finally:
        wire.close()


def sha256_of_object(store, key):
    digest = hashlib.sha256()
    download(store, key, digest.update)
    return digest.hexdigest()
