"""The manifests under `deploy/kubernetes`: valid, consistent with each other, and with the gateway they run.

No cluster is asked: schemas of Kubernetes' own, as a package ships them, say what one would accept.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plano import __version__, bootstrap
from plano.cli.ports import ADMIN_HOST, ADMIN_PORT
from plano.cli.up import KILL_AFTER_S
from plano.config.load import Configuration
from plano.config.secret import Secret
from plano.http1.limits import MIB
from plano.redis_url import Endpoint, parse_address
from tests.unit.project.manifests import (
    KUBERNETES,
    Document,
    applied,
    config_maps,
    configuration_of,
    container_ports,
    containers,
    documents,
    kustomization,
    mebibytes,
    one,
    pod,
    validate,
)
from tests.wall.gateway import gateway
from tests.wall.raw_client import RawClient

OLDEST, NEWEST = "1.30", "1.37"
"""Of Kubernetes: sidecars and resources of single containers, and what the installed schemas know last."""
ROUTER_MODEL, SECRETS = documents("router-model.yaml"), documents("secret.example.yaml")
ALL = [*applied(), *ROUTER_MODEL, *SECRETS]
DEPLOYMENTS = [each for each in applied() if each["kind"] == "Deployment"]
PLANO, REDIS = one("Deployment", "plano"), one("Deployment", "plano-redis")
CONTAINERS = [
    pytest.param(container, id=name) for each in DEPLOYMENTS for name, container in containers(each).items()
]
WITH_EMBEDDED_ROUTER_MIB = 160
"""What a gateway with routes holds at rest: docs/deployment.md."""


def shown(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def environment(name: str) -> dict[str, Document]:
    """Of a gateway's container: where each variable comes from."""
    return {
        each["name"]: each["valueFrom"]["secretKeyRef"] for each in containers(PLANO)[name].get("env", ())
    }


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """What the replicas run on, with the variables that their pods have."""
    return configuration_of(KUBERNETES / "config.yaml", tmp_path, set(environment("plano")))


# --- what a cluster accepts ---


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("document", ALL, ids=shown)
def test_a_cluster_accepts_it_and_knows_every_key(document: Document, version: str) -> None:
    """A key that is written wrong is refused, or silently dropped, which is worse."""
    assert {"apiVersion", "kind", "metadata"} <= set(document)

    validate(document, version)


def test_the_schemas_refuse_what_is_wrong() -> None:
    """A validator that accepts everything would prove nothing."""
    broken = yaml.safe_load(yaml.safe_dump(PLANO).replace("readinessProbe", "readynessProbe"))

    with pytest.raises(Exception, match="readynessProbe"):
        validate(broken, NEWEST)


def test_the_kustomization_leaves_out_only_what_is_applied_by_itself() -> None:
    """A file that nobody lists is a file that nobody applies."""
    listed = {*kustomization()["resources"], *(name for each in config_maps().values() for name in each)}
    apart = {"kustomization.yaml", "router-model.yaml", "secret.example.yaml", "secret.yaml"}
    present = {path.name for path in KUBERNETES.glob("*.yaml")} - apart

    assert (present - listed, listed - present) == (set(), {"haproxy.cfg"})


# --- who is meant ---


@pytest.mark.parametrize("document", [each for each in ALL if each["kind"] == "Deployment"], ids=shown)
def test_a_deployment_selects_its_own_pods(document: Document) -> None:
    """The server refuses it otherwise."""
    labels, selector = document["spec"]["template"]["metadata"]["labels"], document["spec"]["selector"]
    spread = [rule["labelSelector"] for rule in pod(document).get("topologySpreadConstraints", ())]

    assert [one for one in (selector, *spread) if not one["matchLabels"].items() <= labels.items()] == []


@pytest.mark.parametrize(
    ("kind", "name", "target"),
    [
        ("Service", "plano", PLANO),
        ("Service", "plano-redis", REDIS),
        ("PodDisruptionBudget", "plano", PLANO),
        ("NetworkPolicy", "plano", PLANO),
        ("NetworkPolicy", "plano-redis", REDIS),
    ],
)
def test_what_selects_pods_selects_those_of_its_deployment(kind: str, name: str, target: Document) -> None:
    """A selector that fits nothing is no error to anybody; a service just has nobody behind it."""
    specification = one(kind, name)["spec"]
    selector = specification.get("podSelector", specification.get("selector"))
    labels = selector.get("matchLabels", selector)

    assert labels == target["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("service", "target"), [(one("Service", "plano"), PLANO), (one("Service", "plano-redis"), REDIS)], ids=str
)
def test_a_service_leads_to_ports_that_its_pods_have(service: Document, target: Document) -> None:
    """Under the same number, so that there is one to remember."""
    ports = {port["targetPort"]: port["port"] for port in service["spec"]["ports"]}

    assert ports == container_ports(target)


def test_the_autoscaler_scales_the_gateways_by_what_they_ask_for() -> None:
    """Of a container without a request there is no share to compare."""
    scaler = one("HorizontalPodAutoscaler", "plano")["spec"]
    (metric,) = scaler["metrics"]

    assert (
        scaler["scaleTargetRef"],
        scaler["minReplicas"] == PLANO["spec"]["replicas"] < scaler["maxReplicas"],
        "cpu" in containers(PLANO)[metric["containerResource"]["container"]]["resources"]["requests"],
    ) == ({key: PLANO[key] for key in ("apiVersion", "kind")} | {"name": "plano"}, True, True)


def test_a_drained_node_never_takes_the_last_gateway_and_can_be_drained() -> None:
    """A budget of all replicas would block every upgrade of a node."""
    budget = one("PodDisruptionBudget", "plano")["spec"]["minAvailable"]

    assert 0 < budget < PLANO["spec"]["replicas"]


# --- what the pods are given ---


def test_the_configuration_passes_the_check_with_what_the_pods_have(configuration: Configuration) -> None:
    """Each replica would refuse to start, one after the other."""
    assert configuration.warnings == ()


def test_what_is_taken_from_secrets_is_in_the_example_and_the_example_holds_nothing() -> None:
    """A pod whose secret lacks a key never starts; and no example becomes anybody's password."""
    examples = {each["metadata"]["name"]: each["stringData"] for each in SECRETS}
    taken = [
        each["valueFrom"]["secretKeyRef"]
        for deployment in DEPLOYMENTS
        for container in containers(deployment).values()
        for each in container.get("env", ())
    ]

    assert (
        [each for each in taken if each["key"] not in examples[each["name"]]],
        {value for example in examples.values() for value in example.values()},
    ) == ([], {""})


def test_every_map_that_is_mounted_is_made_and_holds_what_is_read() -> None:
    """The argument of the one and the image's own place of the other."""
    mounted = {
        mount["mountPath"]: set(config_maps()[volume["configMap"]["name"]])
        for volume in pod(PLANO)["volumes"]
        for container in containers(PLANO).values()
        for mount in container["volumeMounts"]
        if mount["name"] == volume["name"]
    }

    assert (containers(PLANO)["plano"]["args"], mounted) == (
        ["/etc/plano/config.yaml"],
        {"/etc/plano": {"config.yaml"}, "/usr/local/etc/haproxy": {"haproxy.cfg"}},
    )


def test_pins_are_in_the_redis_beside_it(configuration: Configuration) -> None:
    """With pins of its own, a replica would send half of a session to another model."""
    cache = configuration.routing.session_cache
    assert isinstance(cache.url, Secret)
    service = one("Service", "plano-redis")
    (port,) = service["spec"]["ports"]

    assert (cache.type, parse_address(cache.url.reveal()).at) == (
        "redis",
        Endpoint(service["metadata"]["name"], port["port"]),
    )


def test_redis_and_the_gateways_are_told_the_same_password() -> None:
    """Else every pin is refused, and nothing but `/readyz` says so."""
    redis = containers(REDIS)["redis"]
    (variable,) = redis["env"]

    assert (f"$({variable['name']})" in redis["args"], variable["valueFrom"]["secretKeyRef"]) == (
        True,
        environment("plano")["REDIS_PASSWORD"],
    )


def test_the_images_are_pinned() -> None:
    """What was built and what is started are told apart by it."""
    replaced = {each["name"]: f"{each['newName']}:{each['newTag']}" for each in kustomization()["images"]}
    images = [each["image"] for deployment in DEPLOYMENTS for each in containers(deployment).values()]
    run = {replaced.get(image, image) for image in images}

    assert (
        [image for image in run if not re.fullmatch(r"[\w./-]+:\d+(\.\d+)+(-\w+)?", image)],
        [image for image in run if image.endswith(f"/plano:{__version__}")] != [],
    ) == ([], True)


# --- starting, ending, being watched ---


async def test_the_probes_ask_for_what_the_gateway_serves(configuration: Configuration) -> None:
    """A probe of a path that is not there restarts every replica for ever."""
    probes = [containers(PLANO)["plano"][name]["httpGet"] for name in ("livenessProbe", "readinessProbe")]
    simulated: dict[str, Any] = {"version": "v0.4.0", "model_providers": [{"model": "simulated/fast"}]}

    answers = []
    async with gateway(simulated) as running, RawClient(running.port) as client:
        for probe in probes:
            await client.get(probe["path"])
            port = container_ports(PLANO)[probe["port"]]
            answers.append((probe["path"], (await client.reply(to="GET")).status, port))

    assert answers == [
        ("/healthz", 200, configuration.listener.port),
        ("/readyz", 200, configuration.listener.port),
    ]


def test_a_gateway_may_drain_before_it_is_killed(configuration: Configuration) -> None:
    """Answers that are cut off without a word are what draining is against."""
    needed = configuration.server_limits.drain_s + bootstrap.LAST_WORDS_S + KILL_AFTER_S

    assert pod(PLANO)["terminationGracePeriodSeconds"] > needed


def test_no_hook_delays_the_signal_because_the_gateway_serves_on_after_it(
    configuration: Configuration,
) -> None:
    """For at least as long as probes take to notice, however the word of its end spreads."""
    gateway_container = containers(PLANO)["plano"]
    probe = gateway_container["readinessProbe"]

    notices_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert (configuration.server_limits.drain_idle_s > notices_s, "lifecycle" in gateway_container) == (
        True,
        False,
    )


def test_a_rollout_never_has_fewer_gateways_than_before() -> None:
    """The new one is ready before the old one is told."""
    assert PLANO["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_sidecar_lets_scrapes_through_to_the_admin_listener_and_nothing_else() -> None:
    """That listener asks nobody who they are."""
    (text,) = config_maps()["plano-metrics"].values()
    sidecar = containers(PLANO)["metrics"]

    (bound,) = re.findall(r"^ +bind :(\d+)$", text, re.MULTILINE)
    assert (
        int(bound),
        re.findall(r"^ +server \w+ (\S+)$", text, re.MULTILINE),
        "http-request deny deny_status 404 unless METH_GET { path /metrics }" in text,
        sidecar["restartPolicy"],
    ) == (container_ports(PLANO)["metrics"], [f"{ADMIN_HOST}:{ADMIN_PORT}"], True, "Always")


# --- what they may ---


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_can_neither_write_nor_gain_rights_nor_fill_the_node(container: Document) -> None:
    """It holds the keys of all providers, or what steers every session."""
    context = container["securityContext"]

    assert (
        context,
        "memory" in container["resources"]["limits"],
        {"cpu", "memory"} <= set(container["resources"]["requests"]),
    ) == (
        {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        True,
        True,
    )


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=shown)
def test_a_pod_is_nobody_and_knows_nothing_of_the_cluster(deployment: Document) -> None:
    """Root in a container is one fault away from root on the node."""
    found = pod(deployment)
    context = found["securityContext"]

    assert (
        context["runAsNonRoot"],
        context["runAsUser"] > 0,
        context["seccompProfile"],
        found["automountServiceAccountToken"],
        found["enableServiceLinks"],
    ) == (True, True, {"type": "RuntimeDefault"}, False, False)


def test_a_gateways_memory_holds_what_clients_may_fill(configuration: Configuration) -> None:
    """Else the node kills it, with all of its streams, for what its own limits allow."""
    limit = mebibytes(containers(PLANO)["plano"]["resources"]["limits"]["memory"])
    limits = configuration.server_limits

    streams_mib = limits.max_connections * 14.3 / 1024
    assert WITH_EMBEDDED_ROUTER_MIB + limits.buffered_bodies_bytes / MIB + streams_mib < limit


def test_redis_forgets_before_it_is_killed() -> None:
    """Up to its own limit it drops the pins that were idle for longest; past the node's it drops all."""
    redis = containers(REDIS)["redis"]
    options = dict(zip(redis["args"][::2], redis["args"][1::2], strict=True))

    assert (
        options["--maxmemory-policy"],
        options["--save"],
        options["--appendonly"],
        int(options["--maxmemory"].removesuffix("mb")) * 1.5
        < mebibytes(redis["resources"]["limits"]["memory"]),
    ) == ("allkeys-lru", "", "no", True)


def test_clients_come_from_labelled_namespaces_and_metrics_go_to_monitoring_alone() -> None:
    """Whoever reaches the port of the models can spend the keys."""
    rules = one("NetworkPolicy", "plano")["spec"]["ingress"]

    assert {
        port["port"]: [each["namespaceSelector"]["matchLabels"] for each in rule["from"]]
        for rule in rules
        for port in rule["ports"]
    } == {
        "http": [{"plano-clients": "allowed"}],
        "metrics": [{"kubernetes.io/metadata.name": "monitoring"}],
    }


def test_gateways_reach_names_redis_the_router_model_and_providers() -> None:
    """What is missing here times out, and looks like a provider's trouble."""
    rules = one("NetworkPolicy", "plano")["spec"]["egress"]
    reached = {
        port["port"]: [next(iter(each)) for each in rule["to"]] for rule in rules for port in rule["ports"]
    }
    pods = {
        label: port["port"]
        for rule in rules
        for each in rule["to"]
        for label in each.get("podSelector", {}).get("matchLabels", {}).values()
        for port in rule["ports"]
    }

    (served,) = one("Service", "router-model", ROUTER_MODEL)["spec"]["ports"]
    assert (reached, pods) == (
        {
            53: ["namespaceSelector"],
            6379: ["podSelector"],
            8000: ["podSelector"],
            443: ["ipBlock", "ipBlock"],
        },
        {"plano-redis": container_ports(REDIS)["redis"], "router-model": served["port"]},
    )


def test_redis_is_reached_by_the_gateways_alone_and_reaches_nobody() -> None:
    """Who reaches it could read and move every session's pin."""
    policy = one("NetworkPolicy", "plano-redis")["spec"]

    assert (policy["policyTypes"], policy["ingress"], policy["egress"]) == (
        ["Ingress", "Egress"],
        [
            {
                "from": [{"podSelector": PLANO["spec"]["selector"]}],
                "ports": [{"protocol": "TCP", "port": "redis"}],
            }
        ],
        [],
    )
