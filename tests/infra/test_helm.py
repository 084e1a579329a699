"""infra/kubernetes/partgate: what it makes is what Kubernetes takes, and what cannot work is refused."""

import json
import tempfile
import tomllib
import unittest
from pathlib import Path

import stack
from chart import (
    CHART, FOREIGN, FULL, MINIMAL, OPERATOR, TRIAL, VALUES, VERSIONS,
    deployment, helm, is_selected, manifest, notes, objects, pods,
)
from support import INFRA, REPOSITORY, lacking, need, need_module, run


class Manifests(unittest.TestCase):
    def test_helm_finds_nothing_to_complain_of(self):
        for values in VALUES:
            with self.subTest(values=values.name):
                helm("lint", "--strict", CHART, "--values", values)

    def test_kubernetes_takes_them(self):
        kubeconform = need("kubeconform")
        schemas = kubeconform.parent.parent / "kubernetes-schemas"
        if not schemas.exists():
            lacking("there are no schemas of Kubernetes; scripts/tools.sh installs them")
        for values in VALUES:
            for version in VERSIONS:
                with self.subTest(values=values.name, version=version), tempfile.TemporaryDirectory() as folder:
                    file = Path(folder, "manifest.yaml")
                    file.write_text(manifest(values))
                    location = f"{schemas}/v{version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
                    run(kubeconform, "-strict", "-skip", FOREIGN, "-schema-location", location, file)

    def test_the_values_of_the_readme_are_taken(self):
        text = (CHART / "README.md").read_text()
        values = text.partition("$ cat values.yaml\n")[2].partition("$ helm install")[0]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "values.yaml")
            file.write_text(values)
            kinds = {kind for kind, _ in objects(file)}
        self.assertIn("Ingress", kinds)

    def test_the_full_values_switch_everything_on(self):
        kinds = {kind for kind, _ in objects(FULL)}
        wanted = {"Deployment", "Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ConfigMap",
                  "Job", "Pod", "ServiceAccount", "NetworkPolicy", "ServiceMonitor", "PrometheusRule"}
        self.assertEqual(kinds, wanted)
        self.assertIn("Secret", {kind for kind, _ in objects(TRIAL)})

    def test_every_pod_is_restricted(self):
        for values in VALUES:
            for key, template in pods(values).items():
                with self.subTest(values=values.name, of=key):
                    spec = template["spec"]
                    self.assertTrue(spec["securityContext"]["runAsNonRoot"])
                    self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                    self.assertFalse(spec["automountServiceAccountToken"])
                    for container in spec["containers"]:
                        self.assertEqual(container["securityContext"], {
                            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}})
                        self.assertIn("limits", container["resources"])

    def test_services_are_not_taken_for_settings(self):
        # A service called partgate would come as PARTGATE_PORT, which is no setting, and no gateway would start.
        for values in VALUES:
            for key, template in pods(values).items():
                with self.subTest(values=values.name, of=key):
                    self.assertIs(template["spec"]["enableServiceLinks"], False)

    def test_what_selects_pods_selects_the_gateways_and_no_job(self):
        for values in VALUES:
            made = objects(values)
            selectors = {"Deployment": deployment(values)["selector"]["matchLabels"]}
            for (kind, name), each in made.items():
                spec = each.get("spec", {})
                if kind == "Service":
                    selectors[name] = spec["selector"]
                if kind in ("PodDisruptionBudget", "NetworkPolicy"):
                    selectors[kind] = (spec.get("selector") or spec.get("podSelector"))["matchLabels"]
            for spread in deployment(values)["template"]["spec"]["topologySpreadConstraints"]:
                selectors[spread["topologyKey"]] = spread["labelSelector"]["matchLabels"]
            for what, selector in selectors.items():
                for (kind, name), template in pods(values).items():
                    with self.subTest(values=values.name, selector=what, of=name):
                        self.assertEqual(is_selected(selector, template), kind == "Deployment")

    def test_ports_are_called_what_they_are(self):
        container, = deployment(FULL)["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        made = objects(FULL)
        for (kind, name), each in made.items():
            if kind == "Service":
                for port in each["spec"]["ports"]:
                    self.assertIn(port["targetPort"], ports)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertIn(container[probe]["httpGet"]["port"], ports)
        policy = made["NetworkPolicy", "gate-partgate"]["spec"]["ingress"]
        self.assertEqual({port["port"] for rule in policy for port in rule["ports"]}, ports)
        backend = made["Ingress", "gate-partgate"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        service = made["Service", backend["name"]]
        self.assertIn(backend["port"]["name"], {port["name"] for port in service["spec"]["ports"]})
        scaled = made["HorizontalPodAutoscaler", "gate-partgate"]["spec"]["scaleTargetRef"]
        self.assertIn((scaled["kind"], scaled["name"]), made)

    def test_only_readiness_depends_on_others(self):
        container, = deployment(MINIMAL)["template"]["spec"]["containers"]
        paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
        self.assertEqual(paths, {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"})

    def test_the_service_monitor_finds_the_metrics(self):
        monitor = objects(FULL)["ServiceMonitor", "gate-partgate"]["spec"]
        selector = monitor["selector"]["matchLabels"]
        services = [each for (kind, _), each in objects(FULL).items()
                    if kind == "Service" and selector.items() <= each["metadata"]["labels"].items()]
        service, = services
        self.assertEqual(service["spec"]["ports"][0]["name"], monitor["endpoints"][0]["port"])
        job = service["metadata"]["labels"][monitor["jobLabel"]]
        self.assertIn(f'job="{job}"', (INFRA / "prometheus" / "alerts.yml").read_text())

    def test_the_rules_and_the_dashboard_are_those_of_the_repository(self):
        yaml = need_module("yaml")
        rules = objects(FULL)["PrometheusRule", "gate-partgate"]["spec"]
        self.assertEqual(rules, yaml.safe_load((INFRA / "prometheus" / "alerts.yml").read_text()))
        dashboard = objects(FULL)["ConfigMap", "gate-partgate-dashboard"]
        self.assertEqual(dashboard["metadata"]["labels"]["grafana_dashboard"], "1")
        self.assertEqual(json.loads(dashboard["data"]["partgate.json"]),
                         json.loads((INFRA / "grafana" / "partgate.json").read_text()))

    def test_without_the_operator_its_kinds_are_left_out_and_said(self):
        self.assertNotIn("kind: ServiceMonitor", helm("template", "gate", CHART, "--values", FULL))
        unknown = "does not know monitoring.coreos.com/v1"
        self.assertIn(unknown, notes("--values", FULL))
        self.assertNotIn(unknown, notes("--values", FULL, "--api-versions", OPERATOR))
        self.assertNotIn(unknown, notes("--values", MINIMAL))

    def test_callers_who_share_the_address_of_the_ingress_are_said(self):
        ingress = ["--values", MINIMAL, "--set", "ingress.enabled=true,ingress.host=upload.example.com"]
        unset = "trusted_proxies is not set"
        self.assertIn(unset, notes(*ingress))
        self.assertNotIn(unset, notes(*ingress, "--set", "settings.http.trusted_proxies={10.0.0.0/8}"))
        self.assertNotIn(unset, notes("--values", MINIMAL))

    def test_gateways_are_given_the_time_that_they_take_to_stop(self):
        spec = deployment(MINIMAL)["template"]["spec"]
        pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.assertGreaterEqual(spec["terminationGracePeriodSeconds"], pause + 2 * stack.grace_seconds())

    def test_pods_are_replaced_when_settings_or_secrets_change(self):
        def checksums(*arguments):
            template = objects(TRIAL, *arguments)["Deployment", "gate-partgate"]["spec"]["template"]
            return [template["metadata"]["annotations"][f"checksum/{kind}"] for kind in ("settings", "secrets")]

        before = checksums()
        settings = checksums("--set", "settings.uploads.lifetime=3d")
        secrets = checksums("--set", "secrets.values.database=postgres://elsewhere/partgate")
        self.assertNotEqual(settings[0], before[0])
        self.assertEqual(settings[1], before[1])
        self.assertEqual(secrets[0], before[0])
        self.assertNotEqual(secrets[1], before[1])

    def test_the_migration_has_all_it_needs_before_the_rest_is_there(self):
        made = objects(TRIAL, "--set", "migration.enabled=true")
        job = made["Job", "gate-partgate-migration"]
        self.assertEqual(job["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade")
        for volume in job["spec"]["template"]["spec"]["volumes"]:
            kind, name = (("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume else
                          ("Secret", volume["secret"]["secretName"]))
            annotations = made[kind, name]["metadata"]["annotations"]
            self.assertEqual(annotations["helm.sh/hook"], "pre-install,pre-upgrade")
            weights = [each["helm.sh/hook-weight"] for each in (annotations, job["metadata"]["annotations"])]
            self.assertLess(*map(int, weights))
        self.assertNotIn("serviceAccountName", job["spec"]["template"]["spec"])
        # And what it reads is what the gateways read.
        for kind, content in (("ConfigMap", "data"), ("Secret", "stringData")):
            ours, theirs = made[kind, "gate-partgate-migration"], made[kind, "gate-partgate"]
            self.assertEqual(ours[content], theirs[content])

    def test_no_secret_is_outside_of_the_secret(self):
        secrets = objects(TRIAL)["Secret", "gate-partgate"]["stringData"]
        for (kind, name), each in objects(TRIAL).items():
            if kind != "Secret":
                for secret in secrets.values():
                    self.assertNotIn(secret.strip(), json.dumps(each))

    def test_the_version_is_the_gateways(self):
        package = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
        version = package["workspace"]["package"].get("version") or package["package"]["version"]
        chart = need_module("yaml").safe_load((CHART / "Chart.yaml").read_text())
        self.assertEqual(chart["appVersion"], version)


class Refused(unittest.TestCase):
    """What cannot work does not reach the cluster."""

    BAD = (
        ("replicas=0", "replicas"),
        ("replicas=two", "replicas"),
        ("replica=3", "replica"),
        ("image.repository=", "repository"),
        ("image.repository=registry.example.com/partgate:1", "repository"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("settings.storage.bucket=", "bucket"),
        ("settings.storage.endpoint=minio:9000", "endpoint"),
        ("settings.auth.mode=open", "mode"),
        ("settings.listen=127.0.0.1:80", "listen"),
        ("settings.log.format=xml", "format"),
        # Secrets where everybody can read them.
        ("settings.database=postgres://user:password@host/name", "database"),
        ("settings.auth.token_secrets=k1:secret", "token_secrets"),
        ("settings.auth.issuers.app.secret=secret", "secret"),
        ("settings.storage.secret_access_key=secret", "secret_access_key"),
        ("settings.storage.signer.secret_access_key=secret", "secret_access_key"),
        ("secrets.keys={database,auth.token_secret}", "auth.token_secret"),
        ("secrets.keys={database}", '"auth.token_secrets" is missing'),
        ("secrets.existing=", '"database" is missing'),
        ("secrets.values.database=postgres://elsewhere/partgate", "only one of them"),
        ("operations.port=8080", "port"),
        ("ingress.enabled=true", "ingress.host is missing"),
        ("ingress.host=https://upload.example.com", "host"),
        ("autoscaling.targetCPU=0", "targetCPU"),
        ("autoscaling.enabled=true,autoscaling.minReplicas=9", "minReplicas is above"),
        ("podDisruptionBudget.maxUnavailable=0", "maxUnavailable"),
        ("networkPolicy.scrapers=null,networkPolicy.enabled=true", "scrapers"),
        ("metrics.serviceMonitor.interval=soon", "interval"),
    )

    def test_bad_values(self):
        for change, reason in self.BAD:
            with self.subTest(change=change):
                self.assertIn(reason, self.refusal("--values", MINIMAL, "--set", change))

    def test_a_database_that_gateways_cannot_share(self):
        refusal = self.refusal("--values", TRIAL, "--set", "secrets.values.database=sqlite://file")
        self.assertIn("need PostgreSQL", refusal)

    def test_no_values_at_all(self):
        self.assertIn("repository", self.refusal())

    @staticmethod
    def refusal(*arguments):
        try:
            helm("template", "gate", CHART, *arguments)
        except AssertionError as refused:
            return str(refused)
        return "nothing was refused"
