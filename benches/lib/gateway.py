"""`partgate serve` before a store."""

import re

from lib.net import Connection
from lib.process import Process


class Gateway:
    """A gateway with settings as an operator would have them: open, on loopback, SQLite unless `database` is given."""

    def __init__(self, bench, store, *, database=None, settings=None):
        """`settings` are added to the environment, as PARTGATE_…, by their dotted paths."""
        folder = bench.folder("gateway")
        self.database = database or f"sqlite://{folder / 'gateway.db'}"
        values = {
            "listen": "127.0.0.1:0", "database": self.database, "log.format": "json",
            "storage.endpoint": store.endpoint, "storage.bucket": store.bucket, "storage.region": store.region,
            "storage.access_key_id": store.access_key_id, "storage.secret_access_key": store.secret_access_key,
            # Counted as always, and never reached.
            "limits.per_address": "1000000/s", "limits.per_caller": "1000000/s", **(settings or {}),
        }
        env = {f"PARTGATE_{path.upper().replace('.', '__')}": value for path, value in values.items()}
        self.process = Process([bench.partgate, "serve"], env=env, cwd=folder, log=folder / "log")
        ready = re.compile(r'"partgate is ready".*?"address":"([^"]+)"')
        found = self.process.wait_until(lambda: ready.search(self.process.said()))
        self.url = f"http://{found.group(1)}"
        self._connection = Connection(self.url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def call(self, method, path, body=None):
        return self._connection.call(method, path, body)

    def stop(self):
        self.process.stop()
