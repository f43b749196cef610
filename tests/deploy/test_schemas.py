"""What lies in deploy/ against published schemas: of Kubernetes' own types, of compose files, of the operators' CRDs.

None of them is asked over the network: lightkube carries the types, check-jsonschema the schema of compose files, and
schemas/ tells in our own words every field that the two operators publish for a LocustTest. Their own files are not
copied: they lie in the operators' repositories only, and no package of PyPI, npm or Debian that a test could depend on
carries them. They were read there, and ours were compared with them field by field, at the commits that ours name.
"""

from __future__ import annotations

import copy
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from lightkube import codecs
from lightkube.core.exceptions import LoadResourceError
from lightkube.models import core_v1

from prakerja_load import scenario

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = [
    manifest
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(file.read_text(encoding="utf-8"))
]
PLAIN = {f"{one['kind']} {one['metadata']['name']}": one for one in MANIFESTS if one["kind"] != "LocustTest"}
TESTS = {one["apiVersion"]: one for one in MANIFESTS if one["kind"] == "LocustTest"}
SCENARIO = PLAIN["ConfigMap scenario"]
GRACE = 30.0  # seconds between SIGTERM and SIGKILL where a pod does not say terminationGracePeriodSeconds
OPTIONS = """
import json, sys
from locust.argument_parser import get_parser
print(json.dumps([vars(get_parser().parse_args(line)) for line in json.loads(sys.argv[1])], default=str))
"""


def refused(manifest: dict[str, Any]) -> list[str]:
    """Return what Kubernetes' own types have against a manifest."""
    try:
        read = codecs.from_dict(manifest)
    except (LoadResourceError, msgspec.ValidationError) as error:
        return [str(error)]
    # a field that the type does not have is not read, and so not written again
    return [] if read.to_dict() == manifest else [f"has a field that {manifest['kind']} has not"]


def taken_over(schema: dict[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name of the type, part) for each part of a value that has a type of Kubernetes' own."""
    if "x-kubernetes-type" in schema:
        yield schema["x-kubernetes-type"], value
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from taken_over(inner, value[name])
    for item in value if "items" in schema else ():
        yield from taken_over(schema["items"], item)


def refused_by_operator(manifest: dict[str, Any]) -> list[str]:
    """Return what the operator's schema, and the types it takes over, have against a LocustTest."""
    file = Path(__file__).parent / "schemas" / f"{manifest['apiVersion'].replace('/', '_')}.yaml"
    schema = yaml.safe_load(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    against = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)]
    for kind, part in taken_over(schema, manifest):
        try:
            if getattr(core_v1, kind).from_dict(part).to_dict() != part:
                against.append(f"has a field that {kind} has not")
        except msgspec.ValidationError as error:
            against.append(str(error))
    return against


def changed(manifest: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a copy of a manifest with one value put at a place like `spec.template`."""
    copied = copy.deepcopy(manifest)
    *way, last = place.split(".")
    inner: Any = copied
    for name in way:
        inner = inner[int(name)] if name.isdecimal() else inner[name]
    inner[last] = value
    return copied


def test_no_two_manifests_are_one_resource() -> None:
    assert len(PLAIN) + len(TESTS) == len(MANIFESTS)
    assert TESTS.keys() == {"locust.io/v1", "locust.io/v2"}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_manifest_has_the_fields_of_its_kind(name: str) -> None:
    assert refused(PLAIN[name]) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("apiVersion", "batch/v2", "batch/v2"),
        ("spec.paralelism", 2, "has a field that Job has not"),
        ("spec.template.spec.containers.0.imagePullPolcy", "Never", "has a field that Job has not"),
        ("spec.backoffLimit", "0", "$.spec.backoffLimit"),
        ("spec.template.spec", {}, "`containers`"),
    ],
)
def test_a_manifest_with_a_mistake_is_refused(place: str, value: Any, said: str) -> None:
    (against,) = refused(changed(PLAIN["Job controller"], place, value))
    assert said in against


@pytest.mark.parametrize("version", sorted(TESTS))
def test_a_locust_test_is_one_that_its_operator_takes(version: str) -> None:
    assert refused_by_operator(TESTS[version]) == []


@pytest.mark.parametrize(
    ("version", "place", "value", "said"),
    [
        ("locust.io/v1", "spec.workers", 0, "minimum"),
        ("locust.io/v1", "spec.env.0.valueFrom", {}, "valueFrom"),
        ("locust.io/v1", "spec.args", ["--headless"], "is not of type 'string'"),
        ("locust.io/v1", "spec.imagePullPolicy", "Sometimes", "is not one of"),
        ("locust.io/v1", "spec.locustfile.content", "import locust", "is valid under each of"),
        ("locust.io/v1", "spec.volumes", [], "volumes"),
        ("locust.io/v2", "spec.worker.replicas", 501, "maximum"),
        ("locust.io/v2", "spec.args", "--headless", "args"),
        ("locust.io/v2", "spec.volumes.0.configmap", {}, "has a field that Volume has not"),
        ("locust.io/v2", "spec.security.podSecurityContext.runAsUser", "root", "$.runAsUser"),
        ("locust.io/v2", "spec.master.autoquit.timeout", -1, "minimum"),
        ("locust.io/v2", "spec.scheduling", {"tolerations": [{"keys": "x"}]}, "has a field that Toleration has not"),
    ],
)
def test_a_locust_test_with_a_mistake_is_refused(version: str, place: str, value: Any, said: str) -> None:
    (against,) = refused_by_operator(changed(TESTS[version], place, value))
    assert said in against


@pytest.mark.parametrize(
    ("version", "place", "value"),
    [
        ("locust.io/v1", "spec.metrics", {"intervalSeconds": 10}),
        ("locust.io/v1", "spec.master.labels", {"team": "registration"}),
        ("locust.io/v1", "spec.locustfile", {"content": "import locust"}),
        ("locust.io/v2", "spec.master.autoquit.timeout", 0),
        ("locust.io/v2", "spec.scheduling", {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]}),
        ("locust.io/v2", "spec.env.secretRefs", [{"name": "prakerja-load", "prefix": "PRAKERJA_"}]),
    ],
)
def test_what_the_operator_takes_and_we_do_not_use_is_known(version: str, place: str, value: Any) -> None:
    assert refused_by_operator(changed(TESTS[version], place, value)) == []


def command_lines() -> list[list[str]]:
    """Return what the operators start in the image: master and worker of v1, then of v2."""
    first, second = TESTS["locust.io/v1"]["spec"], TESTS["locust.io/v2"]["spec"]
    given = shlex.split(first["args"])
    workers = second["worker"]["replicas"]
    return [
        ["--master", *given],
        ["--worker", "--master-host", "registration-master", *given],
        [
            *second["master"]["command"].split(),
            *("--master", "--master-port=5557", f"--expect-workers={workers}", "--autostart"),
            *("--enable-rebalancing", "--only-summary"),
        ],
        [*second["worker"]["command"].split(), "--worker", "--master-port=5557", "--master-host=registration-master"],
    ]


def test_the_operators_start_locust_with_options_that_it_has_and_with_our_locustfile() -> None:
    started = subprocess.run(
        [sys.executable, "-c", OPTIONS, json.dumps(command_lines())],
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    options = json.loads(started.stdout)
    assert [(given["master"], given["worker"]) for given in options] == [(True, False), (False, True)] * 2
    for given in options:
        (locustfile,) = [given["locustfile"]] if isinstance(given["locustfile"], str) else given["locustfile"]
        assert (ROOT / locustfile.lstrip("/")).is_file(), "the image has it"
        assert 0 < float(given["stop_timeout"]) <= GRACE - 10, "what is still under way must be counted before the end"
    stays, ends = options[0], options[2]
    assert (stays["headless"], stays["autostart"], stays["exit_code_on_error"]) == (False, True, 0)
    assert stays["expect_workers"] == TESTS["locust.io/v1"]["spec"]["workers"]
    assert ends["headless"], "with its web UI Locust would wait for ever once the last registrant has left"


def test_both_play_the_scenario_that_is_mounted() -> None:
    (key,) = SCENARIO["data"]
    read = scenario.parse(SCENARIO["data"][key])
    first, second = TESTS["locust.io/v1"]["spec"], TESTS["locust.io/v2"]["spec"]
    assert first["locustfile"]["configMap"]["name"] == SCENARIO["metadata"]["name"]
    volumes = {volume["name"]: volume for volume in second["volumes"]}
    places = {mount["name"]: mount["mountPath"] for mount in second["volumeMounts"]}
    assert volumes.keys() == places.keys()
    assert volumes["scenario"]["configMap"]["name"] == SCENARIO["metadata"]["name"]
    for given, folder in ((first["env"], "/home/locust"), (second["env"]["variables"], places["scenario"])):
        values = {variable["name"]: variable.get("value") for variable in given}
        assert values["PRAKERJA_SCENARIO"] == f"{folder}/{key}"
        assert "PRAKERJA_PROJECT_KEY" in values, "a target that is not loopback asks for it"
    assert read.target.authorized_by
    service = PLAIN["Service registrar"]
    assert read.target.url == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"


def compose_check(file: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against the schema of the Compose specification."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_compose_file_follows_the_compose_specification(tmp_path: Path) -> None:
    given = DEPLOY / "compose.yaml"
    ended = compose_check(given)
    assert ended.returncode == 0, ended.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(given.read_text(encoding="utf-8").replace("read_only: true", "readonly: true"), encoding="utf-8")
    ended = compose_check(wrong)
    assert ended.returncode == 1
    assert "readonly" in ended.stdout
