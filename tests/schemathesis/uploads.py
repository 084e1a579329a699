"""Uploads for generated calls to act on: with ids of chance, nearly every answer would be a 404."""

import json
import random
import urllib.request

# What init is asked for, each reaching other code.
KINDS = [
    {"filename": "one.bin", "size": 3},
    {"filename": "one.bin", "size": 3, "overwrite": True},
    {"filename": "empty.bin", "size": 0},
    {"filename": "many.bin", "size": 30_000_000},
    {"filename": "stream.bin"},
]
# One upload serves so many calls, unless one of them closes it.
CALLS = 12


class Upload:
    """An upload and what came of it, as far as we know."""

    def __init__(self, opened):
        self.id = opened["upload_id"]
        self.token = opened.get("token")
        self.size = opened["size"]
        self.calls = 0


class Uploads:
    """Hands out uploads: mostly open ones, sometimes one of before, which may be over by now."""

    def __init__(self, url, opener, seed):
        self._url = url
        self._opener = opener
        self._dice = random.Random(seed)
        self._known = {}
        self._current = None
        self._fitted = set()

    def take(self):
        """An upload for any call."""
        if self._known and self._dice.random() < 0.2:
            return self._dice.choice(list(self._known.values()))
        if self.current().calls == CALLS:
            self._current = None
        upload = self.current()
        upload.calls += 1
        return upload

    def current(self):
        """The upload that most calls are about."""
        if self._current is None:
            self._current = self._open(self._dice.choice(KINDS))
        return self._current

    def named(self, id):
        return self._known.get(id)

    def opened(self, answer):
        """Remembers an upload by the answer of its init."""
        return self._known.setdefault(answer["upload_id"], Upload(answer))

    def closed(self, id):
        """An answer showed that it is over."""
        if self._current and self._current.id == id:
            self._current = None

    def should_fit(self, path):
        """Whether a valid call shall succeed: the first of its path, so that it is reached, and some by chance."""
        is_first = path not in self._fitted
        self._fitted.add(path)
        return is_first or self._dice.random() < 0.3

    def _open(self, kind):
        return self.opened(self._call("POST", "/upload/init", json.dumps(kind).encode()))

    def fresh(self):
        """One that is as its init left it, of one part."""
        return self._open(KINDS[0])

    def sent(self):
        """One whose bytes are in storage."""
        upload = self.fresh()
        self._call("PUT", f"/upload/{upload.id}/parts/1", b"abc")
        return upload

    def completed(self):
        """One that is done."""
        upload = self.sent()
        self._call("POST", f"/upload/{upload.id}/complete", b"{}")
        return upload

    def _call(self, method, path, body):
        kind = "application/json" if body.startswith(b"{") else "application/octet-stream"
        headers = {"Content-Type": kind}
        if self._opener:
            headers["Authorization"] = f"Bearer {self._opener}"
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
