"""infra/terraform: what it works out is what `partgate bucket plan` wants, and starts a gateway."""

import json
import re
import tempfile
import unittest
from pathlib import Path

from hcl import AWS, Terraform, actions
from support import REPOSITORY, SECRETS, Gateway, bucket_plan, partgate, run, servers

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
        with Terraform({"module": modules | {"container": container}, "output": outputs}) as terraform:
            cls.outputs = terraform.outputs()

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
        printed = run(partgate(), "config", settings=settings)
        for line in ['auth.mode = "required"', 'storage.prefix = "uploads/"', 'uploads.lifetime = "24h"']:
            self.assertIn(line, printed)

    def test_task_starts_a_gateway(self):
        with tempfile.TemporaryDirectory(prefix="partgate-infra-") as folder:
            folder = Path(folder)
            store = servers.store(partgate(), folder)
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
        with Terraform(root) as terraform, self.assertRaises(AssertionError) as refused:
            terraform.run("plan")
        # Each value, with the rule that it breaks.
        for name in bad:
            self.assertIn(f"var.{name}", str(refused.exception))

    def test_lifetime_has_an_end(self):
        root = {"module": {"rules": {"source": str(AWS / "rules"), "bucket": "uploads", "upload_lifetime": "366d"}}}
        with Terraform(root) as terraform:
            with self.assertRaisesRegex(AssertionError, "upload_lifetime is at most 365d"):
                terraform.run("plan")


def storage_calls():
    """The calls of S3 in src/storage/, by their names in the SDK."""
    files = [file for file in (REPOSITORY / "src" / "storage").rglob("*.rs")
             if "model" not in file.parts and not file.name.endswith("tests.rs")]
    return {call for file in files for call in re.findall(r"\.([a-z_]+)\(\)\s*\.bucket\(", file.read_text())}
