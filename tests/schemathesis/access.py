"""Who calls, and what the gateway must make of them."""

import os

SUCCESS = {
    "POST /upload/init": 201,
    "POST /upload/{id}/sign": 200,
    "POST /upload/{id}/parts": 200,
    "PUT /upload/{id}/parts/{number}": 200,
    "POST /upload/{id}/chunk/{index}": 200,
    "GET /upload/{id}/status": 200,
    "POST /upload/{id}/complete": 200,
    "DELETE /upload/{id}": 204,
    "GET /upload": 200,
    "GET /upload/{id}/file": 200,
    "GET /metrics": 200,
    "POST /sweep": 200,
    "GET /healthz": 200,
    "GET /readyz": 200,
}
FREE = {"GET /healthz", "GET /readyz"}
METRICS_AND_SWEEP = {"GET /metrics", "POST /sweep"}
READ = {"GET /upload", "GET /upload/{id}/status", "GET /upload/{id}/file"}
TOKEN = {label for label in SUCCESS if "{id}" in label} - {"GET /upload/{id}/file"}
UPLOAD_AND_READ = SUCCESS.keys() - METRICS_AND_SWEEP

# What may be called; what may not is refused with this status.
MODES = {
    "open": (SUCCESS.keys(), None),
    "nobody": (FREE, 401),
    "key": (UPLOAD_AND_READ, 403),
    # Whoever runs the gateway uploads nothing, and may take back what others do.
    "admin": (FREE | METRICS_AND_SWEEP | READ | {"DELETE /upload/{id}"}, 403),
    "grant": (UPLOAD_AND_READ, 403),
    "token": (FREE | TOKEN, 403),
}


class Mode:
    """One kind of caller, as run.py has prepared it."""

    def __init__(self, name, url, seed, credential, opener):
        self.url = url
        self.seed = seed
        # Opens the uploads that calls act on, where the caller may not.
        self.opener = opener
        self._name = name
        self._credential = credential
        self._allowed, self._refusal = MODES[name]

    @classmethod
    def of_environment(cls):
        get = os.environ.get
        return cls(get("FUZZ_MODE"), get("FUZZ_URL"), int(get("FUZZ_SEED")), get("FUZZ_CREDENTIAL"), get("FUZZ_OPENER"))

    def credential(self, upload):
        """The Authorization of a call; upload is the one it is about, or else any."""
        credential = upload.token if self._name == "token" else self._credential
        return credential and f"Bearer {credential}"

    def judge(self, label, response):
        """What is wrong with an answer's idea of who calls; or nothing."""
        status = response.status_code
        if label in self._allowed:
            return f"{self._name} is refused" if status in (401, 403) else None
        # A path that is none is told to everybody, and a request that is none to everybody who is known.
        others = (404,) if self._refusal == 401 else (400, 404, 409, 413, 415)
        if status not in (self._refusal, *others):
            return f"{self._name} is not refused"
        if status == 401 and not response.headers.get("www-authenticate", [""])[0].startswith("Bearer"):
            return "a refusal does not say how to be let in"
        return None

    def unreached(self, seen):
        """The answers that the caller must have had, and has not."""
        needed = {label: SUCCESS[label] if label in self._allowed else self._refusal for label in SUCCESS}
        return {label: status for label, status in needed.items() if status not in seen.get(label, ())}
