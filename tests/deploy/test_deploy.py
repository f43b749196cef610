"""What lies in deploy/ without a Docker daemon or a cluster: it parses, fits together, and names what really exists."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from prakerja_load import cli, scenario
from prakerja_load.driver.guard import Target, check_consent
from prakerja_load.registrar import settings, table
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.routes import Router
from prakerja_load.registrar.service import metrics
from prakerja_load.registrar.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/registrar.json").read_text(encoding="utf-8"))
MANIFESTS = [
    manifest
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(file.read_text(encoding="utf-8"))
]
STAGE = re.compile(r"^FROM (\S+) AS (\S+)$", re.MULTILINE)


def pods() -> Iterator[Any]:
    """Yield a test parameter for every manifest that makes pods."""
    for manifest in MANIFESTS:
        if "template" in manifest.get("spec", {}):
            yield pytest.param(manifest, id=manifest["metadata"]["name"])


def commands() -> Iterator[Any]:
    """Yield a test parameter, image and arguments, for everything that compose and Kubernetes start of ours."""
    for name, service in COMPOSE["services"].items():
        if service["image"].startswith("prakerja-load/"):
            arguments = [re.sub(r"\$\{(\w+)(:-[^}]*)?\}", "somebody", part) for part in service["command"]]
            yield pytest.param(service["image"], arguments, id=f"compose-{name}")
    for manifest in MANIFESTS:
        for container in manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            yield pytest.param(container["image"], container["args"], id=f"kubernetes-{container['name']}")


@pytest.mark.parametrize(("image", "arguments"), list(commands()))
def test_a_command_is_one_that_the_program_understands(
    image: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if image == "prakerja-load/registrar":
        monkeypatch.setenv("PRAKERJA_LAB_TOKEN", "laboratory")
        parsed = settings.parse(["--host", "0.0.0.0", "--port", "8020", *arguments])
        assert parsed.is_lab
        assert parsed.consent == Path("/consent/prakerja-load.json")
        return
    verb, *rest = arguments
    context = cli.verbs.commands[verb].make_context(verb, list(rest))
    assert context.params["controller"] == "controller:5557"
    if verb == "run":
        (name,) = re.findall(r"^/scenarios/(.+)$", str(context.params["scenario"]))
        text = (ROOT / "scenarios" / name).read_text(encoding="utf-8")
        overrides = [*context.params["settings"], f'target.url="{context.params["target"]}"']
        read = scenario.parse(text, overrides=overrides)
        assert (read.target.url, bool(read.target.authorized_by)) == ("http://registrar:8020", True)
        assert int(context.params["workers"]) == 2


def test_the_images_are_built_in_stages_and_nothing_runs_as_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    stages = {name: base for base, name in STAGE.findall(text)}
    bodies = dict(zip(stages, STAGE.split(text)[3::3], strict=True))
    assert stages == {"build": "${PYTHON}", "base": "${PYTHON}", "registrar": "base", "tool": "base", "locust": "base"}
    assert all(source in stages for source in re.findall(r"--from=(\S+)", text))
    for target in ("registrar", "tool", "locust"):
        assert "\nUSER 10001:10001\n" in bodies[target]
        assert "USER root" not in bodies[target]
    assert text.count("uv sync --locked") == text.count("uv sync") == 2
    sources = {
        source for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for source in line.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert sources == {line[1:] for line in ignored if line.startswith("!")}


def test_compose_builds_stages_that_exist_and_mounts_what_is_there() -> None:
    stages = {name for _, name in STAGE.findall((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))}
    services = COMPOSE["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", ())}
    assert {"registrar", "controller", "worker", "prometheus", "grafana", "postgresql"} <= services.keys()
    assert profiles == {"sqlite", "postgresql"}
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        else:
            assert re.search(r":v?\d", service["image"]), "a version is named"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or source == "./consent" or (DEPLOY / source).exists()
        assert set(service.get("depends_on", ())) <= services.keys()
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "only this host reaches it"


def test_prometheus_asks_the_address_that_the_registrar_has() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["registrar:8020"]}]
    route, _ = Router(table.ROUTES).find("GET", job["metrics_path"])
    assert route.endpoint is metrics


def exposed(folder: Path) -> dict[str, set[str]]:
    """Return every sample that a registrar's /metrics has once it has worked and shed, with its labels."""

    async def scenario() -> str:
        registrar = Registrar(Settings(path=folder / "store.db", is_lab=True, lab_token="x"))
        try:
            await registrar.start()
            registrar.metrics.observe("log-in", 201, 0.01)
            registrar.defects.replace([])
            route, _ = Router(table.ROUTES).find("GET", "/metrics")
            return (await route.endpoint(registrar, None)).body.decode()  # type: ignore[arg-type]
        finally:
            await registrar.close()

    found: dict[str, set[str]] = {"registrar_defects": {"defect"}}  # a family without samples until one is injected
    text = asyncio.run(scenario())
    assert "# TYPE registrar_defects gauge" in text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_each_panel_names_only_what_metrics_exposes(tmp_path: Path) -> None:
    known = exposed(tmp_path)
    named = set()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            names = set(re.findall(r"\b(?:registrar|process)_[a-z_]+", expression))
            assert names, expression
            assert names <= known.keys(), expression
            labels = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
            labels |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert labels <= set().union(*(known[name] for name in names)), expression
            assert expression.count("(") == expression.count(")")
            named |= names
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in known} - {"process_start_time_seconds"}
    assert families == {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in named}, "everything is shown"


def test_the_dashboard_is_one_that_grafana_is_told_to_load() -> None:
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards/files.yaml").read_text(encoding="utf-8"))["providers"]
    mounts = dict(volume.split(":")[:2] for volume in COMPOSE["services"]["grafana"]["volumes"])
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("manifest", list(pods()))
def test_a_pod_is_confined_and_has_what_it_mounts(manifest: dict[str, Any]) -> None:
    template = manifest["spec"]["template"]
    pod = template["spec"]
    if manifest["kind"] == "Deployment":
        assert manifest["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    else:
        assert (pod["restartPolicy"], manifest["spec"]["backoffLimit"]) == ("Never", 0), "a verdict is not tried again"
    assert pod["securityContext"]["runAsNonRoot"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    claims = {m["metadata"]["name"] for m in MANIFESTS if m["kind"] == "PersistentVolumeClaim"}
    for volume in volumes.values():
        assert volume.get("persistentVolumeClaim", {}).get("claimName", next(iter(claims))) in claims
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
        assert {"requests", "limits"} <= container["resources"].keys()


def test_services_lead_to_ports_of_pods_that_exist() -> None:
    templates = [m["spec"]["template"] for m in MANIFESTS if "template" in m.get("spec", {})]
    for service in (m for m in MANIFESTS if m["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        (template,) = [t for t in templates if selector <= t["metadata"]["labels"].items()]
        ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
        assert [ports[port["targetPort"]] for port in service["spec"]["ports"]] == [
            port["port"] for port in service["spec"]["ports"]
        ]


def test_the_consent_that_is_printed_is_one_that_the_guard_takes() -> None:
    command = [sys.executable, str(DEPLOY / "consent.py"), "registrar", "8020", "900", "2"]
    document = subprocess.run(
        command, env={"PRAKERJA_PROJECT_KEY": "secret"}, capture_output=True, check=True, timeout=30
    ).stdout
    target = Target("http", "registrar", 8020, ("192.0.2.7",))
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
    assert check_consent(document, target, "secret", 900.0, now).max_rps == 900


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        ({}, ["registrar", "8020"], "PRAKERJA_PROJECT_KEY must hold the project's key"),
        ({"PRAKERJA_PROJECT_KEY": "secret"}, ["registrar", "http"], "'http'"),
        ({"PRAKERJA_PROJECT_KEY": "secret"}, [], "HOST PORT"),
    ],
)
def test_a_consent_without_key_or_port_is_refused(environment: dict[str, str], arguments: list[str], said: str) -> None:
    command = [sys.executable, str(DEPLOY / "consent.py"), *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30, text=True)
    assert ended.returncode == 2
    assert said in ended.stderr
