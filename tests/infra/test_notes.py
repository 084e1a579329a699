"""docs/buckets.md and infra/minio: what they tell people to write is right."""

import json
import re
import socket
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from hcl import AWS, rules
from support import INFRA, REPOSITORY, SECRETS, bucket_plan, need, servers

PAGE = REPOSITORY / "docs" / "buckets.md"
MINIO = INFRA / "minio"
# MinIO has neither, so its list of actions has no such names.
NOT_OF_MINIO = {"s3:GetBucketCORS", "s3:GetBucketPublicAccessBlock"}


class Page(unittest.TestCase):
    def setUp(self):
        self.page = PAGE.read_text()

    def test_documents_are_json(self):
        documents = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", self.page, re.S)]
        cors, lifecycle = documents
        plan = bucket_plan(SECRETS | {
            "PARTGATE_STORAGE__BUCKET": "uploads", "PARTGATE_PUBLIC_URL": "https://upload.example.com",
            "PARTGATE_CORS__ORIGINS": "https://app.example.com",
        })["wanted"]
        (rule,) = plan["cors_rules"]
        self.assertEqual(cors[0]["origin"], rule["allowed_origins"])
        self.assertEqual(cors[0]["method"], rule["allowed_methods"])
        # Google's store knows neither checksums nor conditions of S3's.
        known = {name.lower() for name in rule["allowed_headers"] + rule["expose_headers"]}
        self.assertLessEqual({name.lower() for name in cors[0]["responseHeader"]}, known)
        (days,) = {rule["abort_incomplete_multipart_upload"]["days_after_initiation"] for rule in plan["lifecycle_rules"]}
        self.assertEqual(lifecycle["rule"][0]["condition"]["age"], days)
        self.assertIn(f'"daysFromStartingToCancelingUnfinishedLargeFiles": {days}', self.page)
        self.assertIn(f"MINIO_API_STALE_UPLOADS_EXPIRY={days * 24}h", self.page)

    def test_links_lead_somewhere(self):
        for document in [PAGE, MINIO / "README.md", AWS / "README.md"]:
            for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
                self.assertTrue((document.parent / link).exists(), f"{document}: {link}")


class Minio(unittest.TestCase):
    def test_policies_are_those_of_amazon(self):
        amazon = rules(bucket="uploads")
        for file, output in [("gateway.json", "gateway_policy"), ("signer.json", "signer_policy")]:
            expected = json.loads(amazon[output])
            for statement in expected["Statement"]:
                statement["Action"] = sorted(set(statement["Action"]) - NOT_OF_MINIO)
            self.assertEqual(json.loads((MINIO / file).read_text()), expected)

    def test_server_with_the_settings_lets_the_named_origin_in_and_no_other(self):
        lines = (MINIO / "minio.env").read_text().splitlines()
        settings = [line for line in lines if line and not line.startswith("#")]
        with tempfile.TemporaryDirectory(prefix="partgate-infra-") as folder:
            port = free_port()
            server = Server([
                "env", *settings, "MINIO_BROWSER=off", "MINIO_ROOT_USER=partgate", "MINIO_ROOT_PASSWORD=partgate-dev-secret",
                str(need("minio")), "server", "--address", f"127.0.0.1:{port}", f"{folder}/data",
            ], port, Path(folder) / "minio.log")
            try:
                (origin,) = [line.split("=", 1)[1] for line in settings if "CORS" in line]
                # Until it has read its settings, a moment after it listens, MinIO lets everybody in.
                self.assertTrue(soon(lambda: preflight(server.url, "https://elsewhere.example.com") is None))
                self.assertEqual(preflight(server.url, origin), origin)
            finally:
                server.stop()

    def test_settings_are_what_plan_says(self):
        script = bucket_plan(SECRETS | {
            "PARTGATE_STORAGE__BUCKET": "uploads", "PARTGATE_CORS__ORIGINS": "https://app.example.com"}, "mc")
        settings = (MINIO / "minio.env").read_text()
        for name, value in re.findall(r"ALIAS api '?(\w+)=([^\s']+)", script):
            self.assertIn(f"MINIO_API_{name.upper()}={value}\n", settings)


class Server(servers.Server):
    """A server that is there when its port is."""

    def __init__(self, command, port, log):
        self._port = port
        super().__init__(command, None, log)

    def _wait(self, _):
        if soon(lambda: listens(self._port)):
            return f"http://127.0.0.1:{self._port}"
        self.stop()
        raise AssertionError(f"the server does not start:\n{self._log.read_text()}")


def soon(condition):
    """Whether it comes true."""
    for _ in range(servers.PATIENCE_SECONDS * 10):
        if condition():
            return True
        time.sleep(0.1)
    return False


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def preflight(url, origin):
    """The origin that a browser is told to let in."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    request = urllib.request.Request(f"{url}/uploads/key", method="OPTIONS", headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return answer.headers.get("Access-Control-Allow-Origin")
