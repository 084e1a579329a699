"""docker-compose.yml: every profile is what compose takes it for, and its settings start gateways that work."""

import functools
import json
import tempfile
import tomllib
import unittest
from pathlib import Path

import stack
from support import INFRA, REPOSITORY, need, need_module, run

# The profiles that people are told to start, by the services in them.
PROFILES = {
    (): {"proxy", "gateway", "minio", "bucket"},
    ("minio",): {"proxy", "gateway", "minio", "bucket"},
    ("seaweedfs",): {"proxy", "gateway-seaweedfs", "seaweedfs", "bucket-seaweedfs"},
    ("cluster",): {"balancer", "gateway-1", "gateway-2", "gateway-3", "postgres", "minio", "bucket"},
    ("observability",): {"prometheus", "grafana"},
}
DEV_SECRET = "partgate-dev-secret"


@functools.cache
def rendered(*profiles):
    """What compose makes of these profiles."""
    flags = [word for profile in profiles for word in ("--profile", profile)]
    command = [need("docker-compose"), "--project-directory", REPOSITORY, *flags, "config", "--format", "json"]
    # Whose answer must not depend on what the caller has chosen.
    return json.loads(run("env", "-u", "COMPOSE_PROFILES", "-u", "COMPOSE_FILE", *command))["services"]


def every_service():
    return {name: service for profiles in PROFILES for name, service in rendered(*profiles).items()}


class Files(unittest.TestCase):
    def test_each_profile_has_its_services(self):
        for profiles, services in PROFILES.items():
            with self.subTest(profiles=profiles):
                self.assertEqual(set(rendered(*profiles)), services)

    def test_ports_are_published_on_the_loopback_only(self):
        for name, service in every_service().items():
            for port in service.get("ports", []):
                with self.subTest(service=name, port=port):
                    self.assertEqual(port.get("host_ip"), "127.0.0.1")

    def test_no_two_services_of_a_run_publish_one_port(self):
        for profile in ("minio", "seaweedfs", "cluster"):
            services = rendered(profile, "observability").values()
            published = [port["published"] for service in services for port in service.get("ports", [])]
            with self.subTest(profile=profile):
                self.assertEqual(len(published), len(set(published)))

    def test_images_are_pinned(self):
        for name, service in every_service().items():
            with self.subTest(service=name):
                self.assertRegex(service["image"], r":[^:/]+$")
                self.assertNotRegex(service["image"], r":latest$")

    def test_services_come_back_and_say_when_they_are_well(self):
        for name, service in every_service().items():
            with self.subTest(service=name):
                if name.startswith("bucket"):
                    # Makes the bucket and ends.
                    self.assertIn(service["restart"].split(":")[0], ("no", "on-failure"))
                    continue
                self.assertEqual(service["restart"], "unless-stopped")
                # Gateways have the health check of their image.
                self.assertTrue("healthcheck" in service or "build" in service)

    def test_what_is_mounted_is_there(self):
        for name, service in every_service().items():
            for volume in service.get("volumes", []):
                if volume["type"] == "bind":
                    with self.subTest(service=name, file=volume["source"]):
                        self.assertTrue(Path(volume["source"]).exists())
                        self.assertTrue(volume.get("read_only"))

    def test_secrets_are_those_that_everybody_knows(self):
        for name, service in every_service().items():
            for variable, value in (service.get("environment") or {}).items():
                if any(word in variable for word in ("SECRET", "PASSWORD", "DATABASE", "MC_HOST")):
                    with self.subTest(service=name, variable=variable):
                        self.assertTrue(DEV_SECRET in value or value.startswith("sqlite:"))

    def test_gateways_are_given_the_time_that_they_take_to_stop(self):
        for name, service in every_service().items():
            if "build" in service:
                with self.subTest(service=name):
                    self.assertEqual(service["stop_grace_period"], "1m15s")
                    self.assertGreaterEqual(75, 2 * stack.grace_seconds())

    def test_every_gateway_is_measured(self):
        yaml = need_module("yaml")
        scrape, = yaml.safe_load((INFRA / "compose" / "prometheus.yml").read_text())["scrape_configs"]
        target, = scrape["dns_sd_configs"]
        self.assertIn(f'job="{scrape["job_name"]}"', (INFRA / "prometheus" / "alerts.yml").read_text())
        for name in ("proxy", "gateway-1", "gateway-2", "gateway-3"):
            with self.subTest(service=name):
                service = every_service()[name]
                self.assertEqual(service["networks"]["default"]["aliases"], target["names"])
                if "build" in service:
                    listen = service["environment"]["PARTGATE_OPERATIONS__LISTEN"]
                    self.assertEqual(listen, f"0.0.0.0:{target['port']}")
        single = (INFRA / "compose" / "nginx" / "single.conf").read_text()
        self.assertIn(f"listen {target['port']};", single)

    def test_prometheus_takes_its_configuration_and_the_rules(self):
        promtool = need("promtool")
        with tempfile.TemporaryDirectory() as folder:
            text = (INFRA / "compose" / "prometheus.yml").read_text()
            mounted, = [volume for volume in rendered("observability")["prometheus"]["volumes"]
                        if volume["target"] == "/etc/prometheus/rules"]
            file = Path(folder, "prometheus.yml")
            file.write_text(text.replace(mounted["target"], mounted["source"]))
            said = run(promtool, "check", "config", file)
        self.assertIn("1 rule files found", said)

    def test_grafana_finds_its_dashboards(self):
        yaml = need_module("yaml")
        grafana = rendered("observability")["grafana"]
        mounts = {volume["target"]: Path(volume["source"]) for volume in grafana["volumes"]}
        provider, = yaml.safe_load((INFRA / "compose/grafana/dashboards.yml").read_text())["providers"]
        self.assertIn(provider["options"]["path"], mounts)
        home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
        json.loads((mounts[str(home.parent)] / home.name).read_text())
        source, = yaml.safe_load((INFRA / "compose/grafana/datasource.yml").read_text())["datasources"]
        name, port = source["url"].removeprefix("http://").split(":")
        self.assertEqual(rendered("observability")[name]["ports"][0]["target"], int(port))

    def test_the_image_is_built_as_it_can_be(self):
        dockerfile = INFRA / "Dockerfile"
        run(need("hadolint"), "--failure-threshold", "warning", dockerfile)
        text = dockerfile.read_text()
        # What the build needs is let through to it.
        ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
        for path in ("Cargo.toml", "Cargo.lock", "benches/signer", "src", "crates", "migrations", "web", "openapi.json"):
            with self.subTest(path=path):
                self.assertTrue((REPOSITORY / path).exists())
                self.assertIn(f"!{path}", ignored)
        wanted = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        self.assertIn(f"FROM rust:{wanted}-", text)
        self.assertIn("cargo build --release --locked --package partgate --bin partgate", text)
        self.assertIn("\nUSER 65532:65532\n", text)
        self.assertIn("\nHEALTHCHECK ", text)


class Running(unittest.TestCase):
    """The services' own environment and files, with this machine's servers in the place of containers."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="partgate-compose-")))
        self.payload = stack.payload(self.folder)

    def start(self, server):
        self.addCleanup(server.stop)
        return server

    def gateway(self, name, service, store_url, database=None):
        """The gateway of a service; `database` takes the place of PostgreSQL's container."""
        places = {r"^http://(minio|seaweedfs|localhost):(9000|8333)$": store_url,
                  r"^sqlite:///var/lib/partgate/": f"sqlite://{self.folder}/{name}-",
                  r"@postgres:5432/": f"@{database}/"}
        settings = {key: stack.replaced(value, places) for key, value in service["environment"].items()}
        # The balancer of this test is on the loopback.
        if "PARTGATE_HTTP__TRUSTED_PROXIES" in settings:
            settings["PARTGATE_HTTP__TRUSTED_PROXIES"] = "127.0.0.1"
        gateway = self.start(stack.Gateway(name, self.folder, settings))
        self.assertEqual(gateway.readiness()["status"], "ready")
        return gateway

    def nginx(self, service, places):
        """nginx as a service has it; `places` are the addresses of what it leads to."""
        mounts = {volume["target"]: Path(volume["source"]) for volume in service["volumes"]}
        port, second = stack.free_ports(2)
        text = mounts["/etc/nginx/conf.d/default.conf"].read_text()
        self.metrics = f"http://127.0.0.1:{second}/metrics"
        text = stack.replaced(text, places | {
            r"listen 8000;": f"listen 127.0.0.1:{port};", r"listen 9464;": f"listen 127.0.0.1:{second};",
            r"/etc/nginx/gateway_settings": str(mounts["/etc/nginx/gateway_settings"]),
        })
        return self.start(stack.nginx(self.folder, text, port))

    def test_minio_and_the_gateway_behind_its_proxy(self):
        services = rendered("minio")
        store = self.start(stack.minio(self.folder))
        gateway = self.gateway("gateway", services["gateway"], store.url)
        proxy = self.nginx(services["proxy"], {r"127\.0\.0\.1:8080": gateway.url.removeprefix("http://")})
        self.assertEqual(stack.upload(proxy.url, self.payload)["size"], self.payload.stat().st_size)
        self.assertIn("<!doctype html>", stack.text_of(proxy.url).lower())
        self.assertIn("partgate_", stack.text_of(self.metrics))
        # A part that goes through the gateway, larger than nginx takes unless told.
        body = self.payload.read_bytes()[:2 << 20]
        opened = stack.send("POST", proxy.url + "/upload/init", declaration(len(body)), "application/json")
        address = f"{proxy.url}/upload/{opened['upload_id']}"
        stack.send("PUT", address + "/parts/1", body, "application/octet-stream")
        self.assertEqual(stack.send("POST", address + "/complete", b"{}", "application/json")["size"], len(body))

    def test_seaweedfs(self):
        services = rendered("seaweedfs")
        service = services["seaweedfs"]
        self.assertEqual(service["entrypoint"], ["weed"])
        config, = [volume["source"] for volume in service["volumes"] if volume["type"] == "bind"]
        (self.folder / "seaweedfs").mkdir()
        places = {r"^-dir=/data$": f"-dir={self.folder}/seaweedfs", r"^-ip\.bind=.*": "-ip.bind=127.0.0.1",
                  r"/etc/seaweedfs/s3\.json": config}
        arguments = [stack.replaced(argument, places) for argument in service["command"]]
        store = self.start(stack.seaweedfs(self.folder, arguments))
        path = service["healthcheck"]["test"][-1].removeprefix("http://127.0.0.1:8333")
        stack.text_of(store.url + path)
        gateway = self.gateway("gateway", services["gateway-seaweedfs"], store.url)
        self.assertEqual(stack.upload(gateway.url, self.payload)["size"], self.payload.stat().st_size)

    def test_a_cluster_serves_on_when_one_of_its_gateways_is_gone(self):
        services = rendered("cluster")
        postgres = self.start(stack.Postgres())
        store = self.start(stack.minio(self.folder))
        gateways = {name: self.gateway(name, services[name], store.url, postgres.address)
                    for name in ("gateway-1", "gateway-2", "gateway-3")}
        places = {rf"{name}:8080": gateway.url.removeprefix("http://") for name, gateway in gateways.items()}
        balancer = self.nginx(services["balancer"], places)
        token = gateways["gateway-1"].key()
        self.assertEqual(stack.upload(balancer.url, self.payload, token)["size"], self.payload.stat().st_size)
        # Each of them had its turn: nothing is sticky.
        for name, gateway in gateways.items():
            with self.subTest(gateway=name):
                self.assertGreater(calls(stack.metrics(gateway)), 0)
        gateways["gateway-2"].stop()
        again = self.folder / "again.mp4"
        again.write_bytes(self.payload.read_bytes()[1:])
        self.assertEqual(stack.upload(balancer.url, again, token)["size"], again.stat().st_size)


def declaration(size):
    return json.dumps({"filename": "part.bin", "size": size}).encode()


def calls(metrics):
    """How many calls of uploads these metrics count."""
    lines = (line for line in metrics.splitlines() if line.startswith("partgate_http_requests_total{"))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'route="/upload' in line)
