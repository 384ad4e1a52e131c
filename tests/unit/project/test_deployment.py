"""The image and the Compose deployment under `deploy/`, held against the gateway. Neither is started."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from plano import __version__, bootstrap
from plano.cli.ports import ADMIN_PORT
from plano.cli.up import KILL_AFTER_S
from plano.config.load import Configuration
from plano.config.secret import Secret
from plano.redis_url import Endpoint, parse_address
from tests.unit.project.manifests import (
    DEPLOY,
    ROOT,
    compose,
    compose_variables,
    configuration_of,
    instructions,
    seconds,
)
from tests.wall.gateway import gateway
from tests.wall.raw_client import RawClient

SERVICES = compose()["services"]
HAPROXY = (DEPLOY / "haproxy.cfg").read_text()
PINNED = re.compile(r"[\w./-]+:\d+(\.\d+)+(-\w+)*")


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """What the replicas run on, with the variables that Compose hands them."""
    return configuration_of(DEPLOY / "config.yaml", tmp_path, set(SERVICES["gateway"]["environment"]))


def haproxy(directive: str) -> str:
    """What stands behind a directive of the balancer's configuration."""
    (found,) = re.findall(rf"^ +{directive} +(.*?)(?: +#.*)?$", HAPROXY, re.MULTILINE)
    return str(found)


# --- the configuration ---


def test_the_configuration_passes_the_check_with_what_compose_hands_on(configuration: Configuration) -> None:
    """Each replica would refuse to start, one after the other."""
    assert configuration.warnings == ()


def test_pins_are_in_the_redis_beside_it(configuration: Configuration) -> None:
    """With pins of its own, a replica would send half of a session to another model."""
    cache = configuration.routing.session_cache
    assert isinstance(cache.url, Secret)

    assert (cache.type, parse_address(cache.url.reveal()).at) == ("redis", Endpoint("redis", 6379))


def test_redis_and_the_gateways_are_told_the_same_password() -> None:
    """Else every pin is refused, and nothing but `/readyz` says so."""
    command, environment = SERVICES["redis"]["command"], SERVICES["redis"]["environment"]
    password = command[command.index("--requirepass") + 1]

    told = SERVICES["gateway"]["environment"]["REDIS_PASSWORD"]
    assert (password, environment["REDISCLI_AUTH"], password.startswith("${REDIS_PASSWORD:?")) == (
        told,
        told,
        True,
    )


def test_the_example_of_an_env_file_names_what_compose_asks_for_and_holds_nothing() -> None:
    """Who fills it in is done; and no example becomes anybody's password."""
    lines = [line for line in (DEPLOY / ".env.example").read_text().splitlines() if line[:1] not in ("", "#")]

    assert {name: value for name, _, value in (line.partition("=") for line in lines)} == dict.fromkeys(
        compose_variables(), ""
    )


# --- the services ---


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_confined_and_limited(name: str) -> None:
    """Another version, a hang, a break-in or a leak must not become everybody's."""
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]

    assert (
        PINNED.fullmatch(service["image"]) is not None,
        service["healthcheck"]["test"][0],
        service["read_only"],
        service["cap_drop"],
        service["security_opt"],
        service["restart"],
        sorted(limits),
    ) == (
        True,
        "CMD",
        True,
        ["ALL"],
        ["no-new-privileges:true"],
        "unless-stopped",
        ["cpus", "memory", "pids"],
    )


def test_services_wait_for_each_other_but_no_gateway_for_redis() -> None:
    """A gateway serves without Redis; waiting for it would turn its trouble into everybody's."""
    waits = {
        (name, other): condition["condition"]
        for name, service in SERVICES.items()
        for other, condition in service.get("depends_on", {}).items()
    }

    assert waits == {("gateway", "redis"): "service_started", ("balancer", "gateway"): "service_healthy"}


def test_the_gateway_runs_twice_and_the_balancer_alone_is_reached_from_this_machine() -> None:
    """Callers are not authenticated: whoever reaches a port can spend the keys."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert (SERVICES["gateway"]["deploy"]["replicas"], published) == (
        2,
        {"balancer": ["127.0.0.1:12000:12000"]},
    )


def test_redis_shares_a_network_with_the_gateways_alone_that_leads_nowhere() -> None:
    """Who reaches it could read and move every session's pin."""
    inside = {name for name, service in SERVICES.items() if "pins" in service["networks"]}

    assert (inside, SERVICES["redis"]["networks"], compose()["networks"]["pins"]) == (
        {"gateway", "redis"},
        ["pins"],
        {"internal": True},
    )


def test_what_is_mounted_is_there_and_read_only() -> None:
    """Docker makes an empty folder of what is missing, and mounts that."""
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", ())]

    assert [mount for mount in mounts if not (DEPLOY / mount[0]).is_file() or mount[2] != "ro"] == []


def test_a_gateway_may_drain_before_it_is_killed(configuration: Configuration) -> None:
    """Answers that are cut off without a word are what draining is against."""
    needed = configuration.server_limits.drain_s + bootstrap.LAST_WORDS_S + KILL_AFTER_S

    assert {
        name: seconds(SERVICES[name]["stop_grace_period"]) > needed for name in ("gateway", "balancer")
    } == {"gateway": True, "balancer": True}


# --- the balancer ---


def test_the_balancer_looks_for_the_gateways_where_they_listen(configuration: Configuration) -> None:
    """A place too few would leave a replica idle."""
    template = haproxy("server-template").split()

    places, host = int(template[1]), template[2]
    assert (host, places >= SERVICES["gateway"]["deploy"]["replicas"]) == (
        f"gateway:{configuration.listener.port}",
        True,
    )


def test_the_balancer_leaves_giving_up_to_the_gateway(configuration: Configuration) -> None:
    """The gateway's own limit names what was late; a cut connection names nothing."""
    listener_s, keep_alive_s = configuration.listener.timeout_s, configuration.server_limits.keep_alive_s

    assert (
        seconds(haproxy("timeout server")) > listener_s,
        seconds(haproxy("timeout client")) > listener_s,
        seconds(haproxy("timeout http-keep-alive")) < keep_alive_s,
    ) == (True, True, True)


def test_the_balancer_passes_every_head_that_the_gateway_takes(configuration: Configuration) -> None:
    """What one of two in a row refuses, nobody can use."""
    limits = configuration.server_limits

    assert (
        int(haproxy("tune.bufsize")) > limits.headers_bytes,
        int(haproxy("tune.http.maxhdr")) >= limits.header_count,
    ) == (True, True)


def test_the_balancer_sees_a_gateway_drain_before_its_port_closes(configuration: Configuration) -> None:
    """Until then its requests are still served; after it they are refused."""
    interval, fall = re.fullmatch(
        r"check inter (\w+) fall (\d+) rise \d+", haproxy("default-server")
    ).groups()  # type: ignore[union-attr]  # fails loudly

    assert seconds(interval) * int(fall) * 2 < configuration.server_limits.drain_idle_s


async def test_what_is_asked_after_the_gateways_health_is_served() -> None:
    """A check of a path that is not there takes every replica out of service."""
    (by_docker,) = re.findall(
        r'http://127\.0\.0\.1:12000(/\w+)"', SERVICES["gateway"]["healthcheck"]["test"][3]
    )
    by_balancer = haproxy("option httpchk").removeprefix("GET ")
    simulated: dict[str, Any] = {"version": "v0.4.0", "model_providers": [{"model": "simulated/fast"}]}

    answers = []
    async with gateway(simulated) as running, RawClient(running.port) as client:
        for path in (by_docker, by_balancer):
            await client.get(path)
            answers.append((path, (await client.reply(to="GET")).status))

    assert answers == [("/readyz", 200), ("/readyz", 200)]


# --- the image ---


def test_the_image_has_one_version_everywhere() -> None:
    """What was built and what is started are told apart by it."""
    mentioned = re.findall(r"-t plano:(\S+)", (DEPLOY / "Dockerfile").read_text())

    assert {*mentioned, SERVICES["gateway"]["image"].partition(":")[2]} == {__version__}


def test_the_image_is_built_on_a_pinned_python_that_the_project_runs_on() -> None:
    """The lock was resolved for it."""
    bases = {words[0] for words in instructions("FROM")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    minor = project["requires-python"].removeprefix(">=")
    assert [bool(re.fullmatch(rf"python:{minor}\.\d+-slim-\w+", base)) for base in bases] == [True]


def test_what_the_image_copies_is_there_and_is_let_through_to_the_build() -> None:
    """A missing file fails the build; a missing exception in the ignore file does, too."""
    copied = [
        source for words in instructions("COPY") if "--from=build" not in words for source in words[:-1]
    ]
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}

    assert (
        [source for source in copied if not (ROOT / source).exists()],
        set(copied),
        "*" in lines,
        any(fnmatch(".env", line) for line in lines if line[:1] == "!"),
    ) == ([], let_through, True, False)


def test_the_image_installs_hashed_locks_and_the_project_without_more() -> None:
    """What runs beside the keys is what was tested."""
    installs = [" ".join(re.findall(r'"([^"]*)"', " ".join(words))) for words in instructions("RUN")]

    assert [install.partition("pip install ")[2] for install in installs if "pip install" in install] == [
        "--require-hashes -r /build/requirements/run.lock",
        "--no-deps --no-build-isolation /build",
    ]


def test_the_image_runs_the_gateway_itself_as_nobody(configuration: Configuration) -> None:
    """A shell as process 1 would keep the signal to itself, and the gateway would be killed undrained."""
    found = {name: list(instructions(name)) for name in ("USER", "STOPSIGNAL", "ENTRYPOINT", "EXPOSE", "CMD")}

    assert found == {
        "USER": [["10001:10001"]],
        "STOPSIGNAL": [["SIGTERM"]],
        "ENTRYPOINT": [['["plano",', '"up"]']],
        "EXPOSE": [[str(configuration.listener.port), str(ADMIN_PORT)]],
        "CMD": [],
    }
