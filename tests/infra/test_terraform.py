"""infra/terraform: what it works out is what `partgate bucket plan` wants, and starts a gateway."""

import json
import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import support
from support import INFRA, REPOSITORY, SECRETS, Gateway, bucket_plan, need, need_module, run, servers

MODULES = INFRA / "terraform"
AWS = MODULES / "aws"

# Inputs of rules/, one instance each.
CASES = {
    "least": {"bucket": "uploads"},
    "page": {"bucket": "uploads", "public_url": "https://Up.Example.com:443/files", "prefix": "in/"},
    "origins": {
        "bucket": "my-files", "region": "eu-central-1", "upload_lifetime": "36h", "url_lifetime": "1h",
        "public_url": "https://up.example.com",
        "origins": ["https://app.example.com", "http://localhost:*", "https://up.example.com"],
    },
    "anybody": {"bucket": "uploads", "origins": ["https://app.example.com", "*"], "upload_lifetime": "90m"},
    "days": {"bucket": "uploads", "upload_lifetime": "365d", "proxies": ["10.0.1.0/24", "10.0.2.0/24"]},
    "whole": {
        "bucket": "uploads", "prefix": "uploads/", "versioned": True, "tags_objects": True, "upload_lifetime": "24h",
        "kms_key_arn": "arn:aws:kms:us-east-1:111122223333:key/1", "origins": ["https://app.example.com"],
        "public_url": "https://up.example.com", "proxies": ["10.0.1.0/24"],
    },
}
# Where ECS would find the secrets of a task.
TASK_SECRETS = {
    "PARTGATE_DATABASE": "arn:database", "PARTGATE_AUTH__TOKEN_SECRETS": "arn:tokens",
    "PARTGATE_STORAGE__SIGNER__ACCESS_KEY_ID": "arn:signer:access_key_id::",
    "PARTGATE_STORAGE__SIGNER__SECRET_ACCESS_KEY": "arn:signer:secret_access_key::",
}

# What IAM calls the permission of each call that src/storage/ makes.
PERMISSIONS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "complete_multipart_upload": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "get_bucket_cors": "s3:GetBucketCORS",
    "get_bucket_lifecycle_configuration": "s3:GetLifecycleConfiguration",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "get_object": "s3:GetObject",
    "get_public_access_block": "s3:GetBucketPublicAccessBlock",
    "head_bucket": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_parts": "s3:ListMultipartUploadParts",
    "put_object": "s3:PutObject",
    "upload_part": "s3:PutObject",
}
# `partgate bucket apply` is for whoever owns the bucket: a gateway changes no rules.
OWNERS_CALLS = {"put_bucket_cors", "put_bucket_lifecycle_configuration", "put_public_access_block"}


class Terraform:
    """Real Terraform on modules that need no provider, in a folder of its own."""

    def __init__(self, root):
        self.folder = Path(tempfile.mkdtemp(prefix="partgate-terraform-"))
        (self.folder / "main.tf.json").write_text(json.dumps(root))
        # The settings of whoever runs the tests are theirs.
        self.run("init")

    def run(self, *arguments, expect=0):
        own = {"TF_IN_AUTOMATION": "1", "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
        command = [need("terraform"), *arguments, "-no-color", *(["-input=false"] if arguments[0] != "output" else [])]
        return run(*command, settings=own, folder=self.folder, expect=expect)

    def outputs(self):
        self.run("apply", "-auto-approve")
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}

    def remove(self):
        shutil.rmtree(self.folder)


class Rules(unittest.TestCase):
    """The modules that work things out."""

    @classmethod
    def setUpClass(cls):
        modules = {name: {"source": str(AWS / "rules"), **inputs} for name, inputs in CASES.items()}
        container = {
            "source": str(AWS / "gateway" / "container"), "image": "registry.example.com/partgate:1.0.0",
            "environment": "${module.whole.gateway_environment}", "secrets": TASK_SECRETS,
            "log_group": "/partgate", "region": "us-east-1",
        }
        outputs = {name: {"value": f"${{module.{name}}}"} for name in [*modules, "container"]}
        terraform = Terraform({"module": modules | {"container": container}, "output": outputs})
        try:
            cls.outputs = terraform.outputs()
        finally:
            terraform.remove()

    def test_bucket_is_what_plan_wants(self):
        for name in CASES:
            with self.subTest(name):
                rules = self.outputs[name]
                plan = bucket_plan(rules["gateway_environment"] | SECRETS)
                self.assertEqual(plan["bucket"], CASES[name]["bucket"])
                self.assertEqual(plan["region"], CASES[name].get("region", "us-east-1"))
                wanted = plan["wanted"]
                cors = [rules["cors_rule"]] if rules["cors_rule"]["allowed_origins"] else []
                self.assertEqual(cors, wanted["cors_rules"])
                self.assertEqual([rules["lifecycle_rule"]], wanted["lifecycle_rules"])
                self.assertEqual(rules["public_access_block"], wanted["public_access_block"])

    def test_gateway_may_do_what_it_calls_and_nothing_else(self):
        called = storage_calls() - OWNERS_CALLS
        self.assertEqual(called - PERMISSIONS.keys(), set(), "a call that no policy knows")
        needed = {PERMISSIONS[call] for call in called}
        self.assertEqual(actions(self.outputs["least"]["gateway_policy"]), needed)
        # What versions, tags and a key want besides.
        more = {"s3:GetObjectVersion", "s3:DeleteObjectVersion", "s3:PutObjectTagging", "kms:Decrypt", "kms:GenerateDataKey"}
        self.assertEqual(actions(self.outputs["whole"]["gateway_policy"]), needed | more)

    def test_signer_may_only_put(self):
        self.assertEqual(actions(self.outputs["least"]["signer_policy"]), {"s3:PutObject"})
        for statement in json.loads(self.outputs["whole"]["signer_policy"])["Statement"]:
            if any(action.startswith("s3:") for action in statement["Action"]):
                self.assertEqual(statement["Resource"], ["arn:aws:s3:::uploads/uploads/*"])

    def test_policies_keep_to_the_prefix(self):
        for statement in json.loads(self.outputs["page"]["gateway_policy"])["Statement"]:
            is_of_objects = any("Object" in action for action in statement["Action"])
            self.assertEqual(statement["Resource"], ["arn:aws:s3:::uploads/in/*" if is_of_objects else "arn:aws:s3:::uploads"])

    def test_names_of_secrets_are_settings(self):
        """`partgate config` takes every variable of the task, and no setting has a value that it refuses."""
        settings = self.task_settings("sqlite::memory:")
        printed = run(support.partgate(), "config", settings=settings)
        for line in ['auth.mode = "required"', 'storage.prefix = "uploads/"', 'uploads.lifetime = "24h"']:
            self.assertIn(line, printed)

    def test_task_starts_a_gateway(self):
        with tempfile.TemporaryDirectory(prefix="partgate-infra-") as folder:
            folder = Path(folder)
            store = servers.store(support.partgate(), folder)
            try:
                gateway = Gateway(
                    self.task_settings(f"sqlite://{folder}/gateway.db") | {
                        "PARTGATE_STORAGE__ENDPOINT": store.url,
                        "PARTGATE_STORAGE__ACCESS_KEY_ID": "partgate",
                        "PARTGATE_STORAGE__SECRET_ACCESS_KEY": "partgate-dev-secret",
                    }, folder)
                try:
                    self.assertEqual(gateway.check(folder)["state"], "completed")
                finally:
                    gateway.stop()
            finally:
                store.stop()

    def task_settings(self, database):
        """What the container is given, with what the secrets hold here in the place of where they are."""
        (container,) = json.loads(self.outputs["container"]["definitions"])
        self.assertEqual(container["portMappings"][0]["containerPort"], 8080)
        held = {
            "PARTGATE_DATABASE": database,
            "PARTGATE_AUTH__TOKEN_SECRETS": SECRETS["PARTGATE_AUTH__TOKEN_SECRETS"],
            "PARTGATE_STORAGE__SIGNER__ACCESS_KEY_ID": SECRETS["PARTGATE_STORAGE__ACCESS_KEY_ID"],
            "PARTGATE_STORAGE__SIGNER__SECRET_ACCESS_KEY": SECRETS["PARTGATE_STORAGE__SECRET_ACCESS_KEY"],
        }
        self.assertEqual({secret["name"]: secret["valueFrom"] for secret in container["secrets"]}, TASK_SECRETS)
        return {item["name"]: item["value"] for item in container["environment"]} | held


class Refusals(unittest.TestCase):
    def test_bad_values_are_refused_by_name(self):
        bad = {
            "bucket": "Has.Dots", "origins": ["https://app.example.com/"], "public_url": "up.example.com",
            "prefix": "/x", "upload_lifetime": "1 week", "url_lifetime": "0m", "proxies": ["10.0.0.1"],
        }
        root = {"module": {"rules": {"source": str(AWS / "rules"), **bad}}}
        terraform = Terraform(root)
        try:
            with self.assertRaises(AssertionError) as refused:
                terraform.run("plan")
        finally:
            terraform.remove()
        # Each value, with the rule that it breaks.
        for name in bad:
            self.assertIn(f"var.{name}", str(refused.exception))

    def test_lifetime_has_an_end(self):
        root = {"module": {"rules": {"source": str(AWS / "rules"), "bucket": "uploads", "upload_lifetime": "366d"}}}
        terraform = Terraform(root)
        try:
            with self.assertRaisesRegex(AssertionError, "upload_lifetime is at most 365d"):
                terraform.run("plan")
        finally:
            terraform.remove()


class Sources(unittest.TestCase):
    """The modules that need the AWS provider, which cannot be had here: they are read."""

    @classmethod
    def setUpClass(cls):
        cls.files = {file: parse(file) for file in sorted(MODULES.rglob("*.tf"))}

    def test_layout(self):
        run(need("terraform"), "fmt", "-check", "-recursive", "-diff", MODULES)

    def test_tflint(self):
        run(need("tflint"), "--recursive", "--format=compact", folder=MODULES)

    def test_bucket_resources_say_what_rules_say(self):
        resources = {kind: body for kind, _, body in blocks(self.files[AWS / "main.tf"], "resource")}
        cors = resources["aws_s3_bucket_cors_configuration"]["cors_rule"]
        self.assert_taken_over(cors, "cors_rule", CORS)
        ours = resources["aws_s3_bucket_lifecycle_configuration"]["rule"]
        flat = {**ours[0], **ours[0]["filter"][0], **ours[0]["abort_incomplete_multipart_upload"][0]}
        del flat["filter"], flat["abort_incomplete_multipart_upload"]
        place = {"days_after_initiation": "abort_incomplete_multipart_upload.days_after_initiation"}
        self.assert_taken_over([flat], "lifecycle_rule", ["id", "status", "prefix", *place], place)
        block = dict(resources["aws_s3_bucket_public_access_block"])
        del block["bucket"]
        self.assert_taken_over([block], "public_access_block", PUBLIC_ACCESS_BLOCK)
        for kind, policy in [("aws_s3_bucket_policy", "bucket_policy")]:
            self.assertEqual(resources[kind]["policy"], [f"${{module.rules.{policy}}}"])
        for kind, name, body in blocks(self.files[AWS / "iam.tf"], "resource"):
            if kind == "aws_iam_policy":
                self.assertEqual(body["policy"], [f"${{module.rules.{name}_policy}}"])

    def assert_taken_over(self, found, output, names, place=None):
        """Exactly one block, whose every argument is that of the output and no literal."""
        self.assertEqual(len(found), 1)
        expected = {name: [f"${{module.rules.{output}.{(place or {}).get(name, name)}}}"] for name in names}
        self.assertEqual({name: value for name, value in found[0].items() if name[:2] != "__"}, expected)

    def test_every_input_is_handed_to_the_rules(self):
        (rules,) = [body for name, body in modules(self.files[AWS / "main.tf"]) if name == "rules"]
        inputs = {name for variable in self.files[AWS / "rules" / "variables.tf"]["variable"] for name in variable}
        self.assertEqual(rules.keys() - {"source", "__start_line__", "__end_line__"}, inputs)

    def test_every_argument_is_one_of_the_provider(self):
        kinds = json.loads((REPOSITORY / "tests/infra/aws-provider.json").read_text())["kinds"]
        checked = 0
        for file, content in self.files.items():
            for what in ["resource", "data"]:
                for kind, name, body in blocks(content, what):
                    with self.subTest(f"{file.relative_to(MODULES)}: {kind}.{name}"):
                        self.assertIn(f"{what}.{kind}", kinds, "run tests/infra/aws_provider.py again")
                        check_arguments(self, kinds[f"{what}.{kind}"], body, outermost=True)
                        checked += 1
        self.assertGreater(checked, 40)

    def test_every_attribute_that_is_read_is_one_of_the_provider(self):
        kinds = json.loads((REPOSITORY / "tests/infra/aws-provider.json").read_text())["kinds"]
        for file in self.files:
            text = re.sub(r"(?m)#.*$", "", file.read_text())
            for data, kind, attribute in re.findall(r"\b(data\.)?(aws_\w+)\.\w+(?:\[[^\]]*\])?\.(\w+)", text):
                with self.subTest(f"{file.relative_to(MODULES)}: {kind} … {attribute}"):
                    known = kinds[f"{'data' if data else 'resource'}.{kind}"]
                    self.assertIn(attribute, {*known["attributes"], *known["arguments"], "arn", "id"})

    def test_example_gives_every_module_what_it_needs(self):
        example = AWS / "examples" / "complete"
        for _, body in modules(self.files[example / "main.tf"]):
            source = (example / body["source"][0]).resolve()
            declared = {name: variable for file, content in self.files.items() if file.parent == source
                        for entry in content.get("variable", []) for name, variable in entry.items()}
            given = body.keys() - {"source", "__start_line__", "__end_line__"}
            self.assertEqual(given - declared.keys(), set())
            needed = {name for name, variable in declared.items() if "default" not in variable}
            self.assertEqual(needed - given, set())

    def test_every_variable_and_output_says_what_it_is(self):
        for file, content in self.files.items():
            for entry in content.get("variable", []) + content.get("output", []):
                for name, body in entry.items():
                    self.assertTrue(body.get("description"), f"{file}: {name}")


CORS = ["id", "allowed_origins", "allowed_methods", "allowed_headers", "expose_headers", "max_age_seconds"]
PUBLIC_ACCESS_BLOCK = ["block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"]
# Arguments that every resource has (https://developer.hashicorp.com/terraform/language/meta-arguments).
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


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


def storage_calls():
    """The calls of S3 in src/storage/, by their names in the SDK."""
    files = [file for file in (REPOSITORY / "src" / "storage").rglob("*.rs")
             if "model" not in file.parts and not file.name.endswith("tests.rs")]
    return {call for file in files for call in re.findall(r"\.([a-z_]+)\(\)\s*\.bucket\(", file.read_text())}


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
