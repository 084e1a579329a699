"""What `partgate bucket plan --format …` prints is taken by the tools that it is printed for."""

import json
import shlex
import tempfile
import unittest
from pathlib import Path

from hcl import IN_PATH, Terraform, blocks, check_arguments, kinds_of_provider, parse
from support import SECRETS, bucket_plan, need, need_module, run

# A name with a quote and a dollar would end a badly quoted word.
SETTINGS = [
    SECRETS | {"PARTGATE_STORAGE__BUCKET": "uploads"},
    SECRETS | {
        "PARTGATE_STORAGE__BUCKET": "uploads", "PARTGATE_STORAGE__PREFIX": "it's ${here}/$(x)/%{if}/",
        "PARTGATE_STORAGE__ENDPOINT": "http://127.0.0.1:9000", "PARTGATE_UPLOADS__LIFETIME": "36h",
        "PARTGATE_CORS__ORIGINS": "https://app.example.com,http://localhost:*",
    },
]


class Formats(unittest.TestCase):
    def test_terraform(self):
        kinds = kinds_of_provider()
        for settings in SETTINGS:
            with tempfile.TemporaryDirectory(prefix="partgate-infra-") as folder:
                file = Path(folder) / "bucket.tf"
                file.write_text(bucket_plan(settings, "terraform"))
                run(need("terraform", IN_PATH), "fmt", "-check", "-diff", folder)
                for kind, _, body in blocks(parse(file), "resource"):
                    check_arguments(self, kinds[f"resource.{kind}"], body, outermost=True)

    def test_terraform_keeps_a_prefix_with_signs_of_its_own(self):
        """Real Terraform says what the strings in it are: `${` and `%{` are not to be worked out."""
        text = bucket_plan(SETTINGS[1], "terraform")
        (line,) = {line.strip() for line in text.splitlines() if "prefix" in line and "=" in line}
        output = f"output \"prefix\" {{\n{line.replace('prefix', 'value', 1)}\n}}\n"
        with Terraform({"terraform": {}}) as terraform:
            (terraform.folder / "prefix.tf").write_text(output)
            self.assertEqual(terraform.outputs()["prefix"], SETTINGS[1]["PARTGATE_STORAGE__PREFIX"])

    def test_cloudformation(self):
        for settings in SETTINGS:
            with tempfile.TemporaryDirectory(prefix="partgate-infra-") as folder:
                file = Path(folder) / "bucket.json"
                file.write_text(bucket_plan(settings, "cloudformation"))
                run(need("cfn-lint"), file)

    def test_aws_cli(self):
        """Each line is a command whose document is what AWS's own model of the call takes."""
        session = need_module("botocore.session").get_session()
        model = session.get_service_model("s3")
        validate = need_module("botocore.validate").validate_parameters
        for settings in SETTINGS:
            wanted = bucket_plan(settings)["wanted"]
            called = set()
            for command in commands(bucket_plan(settings, "aws-cli")):
                self.assertEqual(command[:2], ["aws", "s3api"])
                options = dict(zip(command[3::2], command[4::2], strict=True))
                endpoint = options.pop("--endpoint-url", None)
                self.assertEqual(endpoint, settings.get("PARTGATE_STORAGE__ENDPOINT"))
                self.assertEqual(options.pop("--region"), "us-east-1")
                operation = model.operation_model("".join(word.title() for word in command[2].split("-")))
                members = {dashed(name): name for name in operation.input_shape.members}
                given = {members[option.removeprefix("--")]: document(value) for option, value in options.items()}
                validate(given, operation.input_shape)
                called.add(command[2])
                if command[2] == "put-bucket-lifecycle-configuration":
                    (rule,) = given["LifecycleConfiguration"]["Rules"]
                    self.assertEqual(rule["Filter"]["Prefix"], wanted["lifecycle_rules"][0]["prefix"])
            expected = {"put-bucket-lifecycle-configuration", "put-public-access-block"}
            self.assertEqual(called, expected | ({"put-bucket-cors"} if wanted["cors_rules"] else set()))

    def test_mc(self):
        first, second, third = commands(bucket_plan(SETTINGS[1], "mc"))
        start = ["mc", "admin", "config", "set", "ALIAS", "api"]
        self.assertEqual(first, [*start, "cors_allow_origin=https://app.example.com,http://localhost:*"])
        # 36 hours are two days begun, and one more.
        self.assertEqual(second, [*start, "stale_uploads_expiry=72h"])
        self.assertEqual(third, ["mc", "anonymous", "get", "ALIAS/uploads"])


def commands(script):
    """The commands of a script, as a shell splits them into words."""
    lines = script.replace("\\\n", "").splitlines()
    return [shlex.split(line) for line in lines if line.strip() and not line.startswith("#")]


def document(value):
    return json.loads(value) if value.startswith("{") else value


def dashed(name):
    """As the AWS command line spells `CORSConfiguration`: cors-configuration."""
    from botocore import xform_name

    return xform_name(name, "-")
