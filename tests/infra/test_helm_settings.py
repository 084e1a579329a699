"""infra/kubernetes/partgate: the settings and secrets that it hands to its containers start gateways that work."""

import json
import tempfile
import unittest
from pathlib import Path

import stack
from chart import FULL, MINIMAL, TRIAL, objects, pods
from support import partgate, run


class Running(unittest.TestCase):
    """What the chart hands to its containers, in a folder here instead of a pod."""

    # What the keys of the Secret are that an administrator makes.
    SECRETS = {
        "auth.token_secrets": "k1:7d2ab1c4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718",
        "auth.issuers.app.secret": "an issuer's secret that nobody else knows",
        "storage.secret_access_key": stack.SECRET_ACCESS_KEY,
        "access-key-id": stack.ACCESS_KEY_ID,
    }
    # The stand-ins for what a cluster would have: our store, whose only identity this is.
    STORE = {
        "PARTGATE_STORAGE__REGION": "us-east-1",
        "PARTGATE_STORAGE__BUCKET": stack.BUCKET,
        "PARTGATE_STORAGE__PUBLIC_ENDPOINT": "",
    }
    IDENTITY = {
        "PARTGATE_STORAGE__ACCESS_KEY_ID": stack.ACCESS_KEY_ID,
        "PARTGATE_STORAGE__SECRET_ACCESS_KEY": stack.SECRET_ACCESS_KEY,
    }

    @classmethod
    def setUpClass(cls):
        cls.root = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="partgate-helm-")))
        cls.postgres = stack.Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        cls.store = stack.servers.store(partgate(), cls.root)
        cls.addClassCleanup(cls.store.stop)

    def setUp(self):
        self.folder = self.root / self.id().rsplit(".", 1)[1]
        self.folder.mkdir()

    def container(self, values, key):
        """Arguments and environment of the container of a Deployment or Job, its volumes being folders of ours."""
        spec = pods(values)[key]["spec"]
        container, = spec["containers"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        places = {}
        for mount in container["volumeMounts"]:
            folder = self.folder / key[1] / mount["name"]
            folder.mkdir(parents=True)
            for name, text in self.files(values, volumes[mount["name"]]).items():
                (folder / name).write_text(text)
            places[mount["mountPath"]] = str(folder)
        environment = {each["name"]: self.value(each) for each in container["env"]}
        environment = {name: stack.replaced(value, places) for name, value in environment.items()}
        return container["args"], environment | self.STORE | {"PARTGATE_STORAGE__ENDPOINT": self.store.url}

    def files(self, values, volume):
        made = objects(values)
        if "configMap" in volume:
            return made.get(("ConfigMap", volume["configMap"]["name"]), {}).get("data", {})
        secret = made.get(("Secret", volume["secret"]["secretName"]), {"stringData": self.SECRETS})["stringData"]
        secret = secret | {"database": self.postgres.url}
        return {item["path"]: secret[item["key"]] for item in volume["secret"]["items"]}

    def value(self, variable):
        if "valueFrom" in variable:
            return self.SECRETS[variable["valueFrom"]["secretKeyRef"]["key"]]
        return variable["value"]

    def start(self, values, extra):
        arguments, environment = self.container(values, ("Deployment", "gate-partgate"))
        if "--no-migrate" in arguments:
            job, its_environment = self.container(values, ("Job", "gate-partgate-migration"))
            run(partgate(), *job, settings=its_environment | extra)
        gateway = stack.Gateway(values.stem, self.folder, environment | extra, arguments)
        self.addCleanup(gateway.stop)
        self.assertEqual(gateway.readiness(), {"status": "ready", "database": "ok", "storage": "ok"})
        self.assertIn("partgate_", stack.metrics(gateway))
        return gateway

    def upload(self, gateway, tenant="default"):
        file = stack.payload(self.folder)
        uploaded = stack.upload(gateway.url, file, gateway.key(tenant))
        self.assertEqual(uploaded["size"], file.stat().st_size)
        return uploaded

    def test_the_minimal_values_start_a_gateway(self):
        # The role of its service account is found by the AWS provider chain, for which there is nothing here.
        self.upload(self.start(MINIMAL, self.IDENTITY))

    def test_a_trial_starts_a_gateway_that_migrates_by_itself(self):
        signer = {"PARTGATE_STORAGE__SIGNER__ACCESS_KEY_ID": stack.ACCESS_KEY_ID}
        uploaded = self.upload(self.start(TRIAL, signer))
        self.assertTrue(uploaded["key"].startswith("partgate/"))

    def test_the_full_values_start_a_gateway(self):
        # The embedded store knows no keys of KMS.
        gateway = self.start(FULL, {"PARTGATE_STORAGE__SSE": "", "PARTGATE_STORAGE__KMS_KEY_ID": ""})
        uploaded = self.upload(gateway, "acme")
        self.assertTrue(uploaded["key"].startswith("up/acme/"))

    def test_the_doctor_is_content_with_the_gateways_set_up(self):
        self.start(MINIMAL, self.IDENTITY)
        job, environment = self.container(MINIMAL, ("Pod", "gate-partgate-doctor"))
        report = json.loads(run(partgate(), *job, "--json", settings=environment | self.IDENTITY))
        self.assertNotEqual(report["verdict"], "sick")

    def test_a_bad_setting_ends_the_migration(self):
        job, environment = self.container(MINIMAL, ("Job", "gate-partgate-migration"))
        settings = environment | self.IDENTITY | {"PARTGATE_UPLOADS__LIFETYME": "7d"}
        with self.assertRaisesRegex(AssertionError, "ended with 2:(?s:.*)did you mean uploads.lifetime"):
            run(partgate(), *job, settings=settings)
