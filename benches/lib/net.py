"""Ports and plain HTTP."""

import http.client
import json
import socket
import urllib.error
import urllib.parse
import urllib.request


def free_ports(count):
    """Ports that nobody else had a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def answers(url):
    """Whether something is there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class Connection:
    """One kept connection to a server of JSON calls."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self._http = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)

    def call(self, method, path, body=None):
        """The answer as JSON; None where it is empty. Any other status than a success is an error with what it says."""
        payload = None if body is None else json.dumps(body).encode()
        headers = {} if payload is None else {"Content-Type": "application/json"}
        status, _, content = self.send(method, path, payload, headers)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {content[:500]!r}")
        return json.loads(content) if content else None

    def send(self, method, path, payload=None, headers=None):
        """Status, headers and body."""
        try:
            return self._send(method, path, payload, headers)
        except ConnectionError:
            # Servers hang up on connections that were idle for some seconds.
            self._http.close()
            return self._send(method, path, payload, headers)

    def _send(self, method, path, payload, headers):
        self._http.request(method, path, payload, headers or {})
        answer = self._http.getresponse()
        return answer.status, answer.headers, answer.read()

    def close(self):
        self._http.close()
