"""infra/cloudformation: AWS's schema takes it, and it asks for what `partgate bucket plan` wants."""

import os
import unittest

from hcl import actions, rules
from support import INFRA, SECRETS, bucket_plan, need, need_module, run

TEMPLATE = INFRA / "cloudformation" / "partgate-bucket.yaml"
# The template's defaults, as settings of the gateway.
SETTINGS = SECRETS | {"PARTGATE_STORAGE__BUCKET": "uploads", "PARTGATE_CORS__ORIGINS": "https://app.example.com"}


class Template(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        decode = need_module("cfnlint.decode.cfn_yaml")
        cls.template = decode.load(str(TEMPLATE))
        cls.defaults = {name: value.get("Default") for name, value in cls.template["Parameters"].items()}
        cls.bucket = cls.template["Resources"]["Bucket"]["Properties"]

    def test_schema(self):
        run(need("cfn-lint"), TEMPLATE)

    def test_bucket_is_what_plan_wants(self):
        wanted = bucket_plan(SETTINGS)["wanted"]
        (cors,) = self.bucket["CorsConfiguration"]["CorsRules"]
        self.assertEqual([{
            "id": cors["Id"], "allowed_origins": self.value(cors["AllowedOrigins"]).split(","),
            "allowed_methods": cors["AllowedMethods"], "allowed_headers": cors["AllowedHeaders"],
            "expose_headers": cors["ExposedHeaders"], "max_age_seconds": cors["MaxAge"],
        }], wanted["cors_rules"])
        (rule,) = self.bucket["LifecycleConfiguration"]["Rules"]
        days = self.value(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        self.assertEqual([{
            "id": rule["Id"], "status": rule["Status"], "prefix": self.value(rule["Prefix"]),
            "abort_incomplete_multipart_upload": {"days_after_initiation": int(days)},
        }], wanted["lifecycle_rules"])
        block = self.bucket["PublicAccessBlockConfiguration"]
        self.assertEqual({
            "block_public_acls": block["BlockPublicAcls"], "ignore_public_acls": block["IgnorePublicAcls"],
            "block_public_policy": block["BlockPublicPolicy"], "restrict_public_buckets": block["RestrictPublicBuckets"],
        }, wanted["public_access_block"])

    def test_policies_are_those_of_terraform(self):
        everything = rules(
            bucket="uploads", prefix="uploads/", versioned=True, kms_key_arn="arn:aws:kms:us-east-1:111122223333:key/1")
        for policy, output in [("GatewayPolicy", "gateway_policy"), ("SignerPolicy", "signer_policy")]:
            statements = self.template["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]
            # With every condition fulfilled.
            statements = [statement.get("Fn::If", [None, statement])[1] for statement in statements]
            named = {action for statement in statements for action in listed(statement["Action"])}
            self.assertEqual(named, actions(everything[output]))

    def test_nobody_comes_without_tls(self):
        (statement,) = self.template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual((statement["Effect"], statement["Action"]), ("Deny", "s3:*"))
        self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})

    def value(self, expression):
        """What a property is with the default parameters."""
        return self.defaults[expression["Ref"]] if isinstance(expression, dict) else expression


class Checkov(unittest.TestCase):
    def test_modules_and_templates(self):
        """Every skip says in its place why. One run for both: starting takes longer than checking."""
        frameworks = ["--framework", "cloudformation", "terraform"]
        # It would ask its makers' site for guidelines.
        offline = {"BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR", "HOME": os.environ["HOME"]}
        run(need("checkov"), "--directory", INFRA, *frameworks, "--compact", "--quiet", "--skip-download", settings=offline)


def listed(value):
    return value if isinstance(value, list) else [value]
