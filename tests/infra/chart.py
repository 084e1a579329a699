"""What helm makes of infra/kubernetes/partgate, for the tests of it."""

import functools
import shutil
import tempfile
from pathlib import Path

from support import INFRA, need, need_module, run

CHART = INFRA / "kubernetes" / "partgate"
VALUES = sorted((CHART / "ci").glob("*.yaml"))
# The oldest version that the chart is for, and the newest that there are schemas of (scripts/kubernetes_schemas.py).
VERSIONS = ("1.30.0", "1.37.0")
OPERATOR = "monitoring.coreos.com/v1"
# Of the Prometheus operator, whose schemas nobody here has.
FOREIGN = "ServiceMonitor,PrometheusRule"
MINIMAL, FULL, TRIAL = (CHART / "ci" / f"{name}-values.yaml" for name in ("minimal", "full", "made-secret"))


def helm(*arguments):
    return run(need("helm"), *arguments)


@functools.cache
def manifest(values, *arguments):
    return helm("template", "gate", CHART, "--values", values, "--api-versions", OPERATOR, *arguments)


@functools.cache
def objects(values, *arguments):
    """What the chart makes, by kind and name. Objects of hooks are told apart by their names."""
    parsed = need_module("yaml").safe_load_all(manifest(values, *arguments))
    return {(each["kind"], each["metadata"]["name"]): each for each in parsed if each}


def notes(*arguments):
    """What a person reads after an installation. helm tells it to those only who have a cluster."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder, "partgate")))
        (chart / "templates" / "NOTES.txt").rename(chart / "notes.txt")
        (chart / "templates" / "notes.yaml").write_text('notes: {{ tpl (.Files.Get "notes.txt") . | toJson }}')
        shown = helm("template", "gate", chart, "--show-only", "templates/notes.yaml", *arguments)
    return need_module("yaml").safe_load(shown)["notes"]


def pods(values):
    """The pods and templates of pods, by the kind and name of what makes them."""
    kinds = ("Deployment", "Job", "Pod")
    return {key: each["spec"].get("template", each) for key, each in objects(values).items() if key[0] in kinds}


def deployment(values):
    return objects(values)["Deployment", "gate-partgate"]["spec"]


def is_selected(selector, template):
    return selector.items() <= template["metadata"]["labels"].items()
