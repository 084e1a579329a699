"""Terraform itself, and a reader of what is written for it."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from support import INFRA, REPOSITORY, need, need_module, run

MODULES = INFRA / "terraform"
AWS = MODULES / "aws"
IN_PATH = "it is to be in the path: https://developer.hashicorp.com/terraform/install"
# Arguments that every resource has (https://developer.hashicorp.com/terraform/language/meta-arguments).
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


class Terraform:
    """Real Terraform on modules that need no provider, in a folder of its own."""

    def __init__(self, root):
        need("terraform", IN_PATH)
        self.folder = Path(tempfile.mkdtemp(prefix="partgate-terraform-"))
        (self.folder / "main.tf.json").write_text(json.dumps(root))
        try:
            self.run("init")
        except AssertionError:
            self.__exit__()
            raise

    def run(self, *arguments):
        # The settings of whoever runs the tests are theirs.
        own = {"TF_IN_AUTOMATION": "1", "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
        command = ["terraform", *arguments, "-no-color", *(["-input=false"] if arguments[0] != "output" else [])]
        return run(*command, settings=own, folder=self.folder)

    def outputs(self):
        self.run("apply", "-auto-approve")
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def rules(**inputs):
    """What rules/ makes of these inputs."""
    root = {"module": {"rules": {"source": str(AWS / "rules"), **inputs}}, "output": {"rules": {"value": "${module.rules}"}}}
    with Terraform(root) as terraform:
        return terraform.outputs()["rules"]


def actions(policy):
    return {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}


def parse(file):
    with file.open() as text:
        return need_module("hcl2").load(text)


def blocks(content, what):
    """Kind, name and body of each block with two labels."""
    return [(kind, name, body) for entry in content.get(what, []) for kind, named in entry.items()
            for name, body in named.items()]


def modules(content):
    return [(name, body) for entry in content.get("module", []) for name, body in entry.items()]


def kinds_of_provider():
    """Which arguments and attributes each kind of resource has (aws_provider.py)."""
    return json.loads((REPOSITORY / "tests" / "infra" / "aws-provider.json").read_text())["kinds"]


def check_arguments(test, known, body, outermost=False):
    """Every argument is known, at any depth, and none that is required is missing."""
    given = {name for name in body if not name.startswith("__")} - (META if outermost else set())
    nested = [(name, block) for name, value in body.items() if name in given and known["arguments"].get(name)
              for block in value if isinstance(block, dict)]
    for dynamic in body.get("dynamic", []):
        nested += [(name, block["content"][0]) for name, block in dynamic.items()]
    given = (given - {"dynamic"}) | {name for name, _ in nested}
    test.assertEqual(given - known["arguments"].keys(), set(), "unknown")
    test.assertEqual(set(known["required"]) - given, set(), "missing")
    for name, block in nested:
        if known["arguments"][name]:
            check_arguments(test, known["arguments"][name], block)
