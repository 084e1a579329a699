"""Writes aws-provider.json: which arguments and attributes the AWS provider has for what infra/terraform uses.

    npm pack @cdktf/provider-aws@21.22.1 && python3 aws_provider.py cdktf-provider-aws-21.22.1.tgz

The provider itself tells its schema only when it runs. This npm package is generated from that schema, and knows every
name and what is required. Run it again when a module begins to use another kind of resource, or another provider.
"""

import json
import re
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE.parent.parent / "infra" / "terraform"


def main(tarball):
    with tarfile.open(tarball) as archive:
        def text(name):
            return archive.extractfile(f"package/{name}").read().decode()

        version = json.loads(text("package.json"))["cdktf"]["provider"]["version"]
        kinds = {key: kind(text, *key.split(".")) for key in used()}
    # A line for each kind, so that a change shows what it changes.
    lines = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in kinds.items()]
    head = f'{{"package":"{Path(tarball).stem}","provider":"{version}","kinds":{{'
    (HERE / "aws-provider.json").write_text(head + "\n" + ",\n".join(lines) + "\n}}\n")


def used():
    """`resource.aws_x` and `data.aws_y` of all modules."""
    found = set()
    for file in MODULES.rglob("*.tf"):
        found |= {".".join(pair) for pair in re.findall(r'^(resource|data) "(aws_\w+)"', file.read_text(), re.M)}
    return sorted(found)


def kind(text, what, name):
    folder = ("data-aws-" if what == "data" else "") + name.removeprefix("aws_").replace("_", "-")
    code, types = text(f"lib/{folder}/index.js"), text(f"lib/{folder}/index.d.ts")
    # The last of these is the resource's own; those before are of its blocks.
    own = code.split("synthesizeHclAttributes()")[1]
    attributes = set(re.findall(r"\('(\w+)'\)", code)) | set(re.findall(r"this, \"(\w+)\"", code))
    return {
        "arguments": arguments(code, types, own),
        "required": required(types, r"\w+Config"),
        "attributes": sorted(attributes),
    }


def arguments(code, types, body):
    """Name of each argument; of a block, what is in it."""
    body = re.search(r"const attrs = \{(.*?)\};", body, re.S)
    found = {}
    for name, value, is_block in re.findall(r"^\s+(\w+): \{\s+value: (.*),\s+isBlock: (\w+)", body.group(1), re.M):
        nested = re.search(r"(\w+)ToHclTerraform", value) if is_block == "true" else None
        found[name] = block(code, types, nested.group(1)) if nested else None
    return found


def block(code, types, name):
    body = code.split(f"function {name}ToHclTerraform(struct)")[1]
    return {"arguments": arguments(code, types, body), "required": required(types, name[0].upper() + name[1:])}


def required(types, interface):
    """What has no question mark in `interface X { /** …#name */ readonly x?: … }`."""
    body = re.search(rf"export interface {interface}(?: extends [\w.]+)? \{{\n(.*?)\n\}}", types, re.S)
    fields = re.findall(r"#(\w+)\}(?:(?!\*/).)*\*/\s+readonly \w+(\??):", body.group(1), re.S) if body else []
    return sorted(name for name, optional in fields if not optional)


if __name__ == "__main__":
    main(sys.argv[1])
