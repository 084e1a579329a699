"""infra/terraform: the modules that need the AWS provider, which cannot be had here, are read."""

import re
import unittest

from hcl import AWS, IN_PATH, MODULES, blocks, check_arguments, kinds_of_provider, modules, parse
from support import need, run

CORS = ["id", "allowed_origins", "allowed_methods", "allowed_headers", "expose_headers", "max_age_seconds"]
PUBLIC_ACCESS_BLOCK = ["block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"]


class Modules(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.files = {file: parse(file) for file in sorted(MODULES.rglob("*.tf"))}

    def test_layout(self):
        run(need("terraform", IN_PATH), "fmt", "-check", "-recursive", "-diff", MODULES)

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
        kinds = kinds_of_provider()
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
        kinds = kinds_of_provider()
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
