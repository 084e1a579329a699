"""Takes JSON schemas of Kubernetes out of the wheel `kubernetes-validate`, for kubeconform: WHEEL FOLDER.

The schemas refer to one another by addresses that nothing answers to, so these become names of files.
"""

import json
import sys
import zipfile
from pathlib import Path, PurePosixPath

# The oldest version that the chart is for, and the newest that there are schemas of.
VERSIONS = ("1.30.0", "1.37.0")


def main(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            for version in VERSIONS:
                if path.parent.name == f"v{version}-local-strict":
                    target = Path(folder, f"v{version}", path.name)
                    target.parent.mkdir(exist_ok=True)
                    target.write_text(json.dumps(local(json.loads(archive.read(name)))))


def local(schema):
    """The schema with references to files beside it, and without an address of its own."""
    if isinstance(schema, dict):
        return {name: reference(value) if name == "$ref" else local(value)
                for name, value in schema.items() if name != "$id"}
    return [local(value) for value in schema] if isinstance(schema, list) else schema


def reference(address):
    return address.removeprefix("/api/") if isinstance(address, str) else local(address)


if __name__ == "__main__":
    main(*sys.argv[1:])
