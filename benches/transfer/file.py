"""The file that everyone sends."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass
class Subject:
    path: Path
    size: int
    sha256: str

    @property
    def mib(self):
        return self.size / MIB

    @property
    def gib(self):
        return self.size / (MIB << 10)


def random_file(bench, mib):
    """Random bytes, so that no store can compress them; in the page cache, so that nobody waits for the disk to read."""
    path = bench.folder("file") / "film.mov"
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(mib):
            piece = os.urandom(MIB)
            digest.update(piece)
            file.write(piece)
    return Subject(path, mib * MIB, digest.hexdigest())
