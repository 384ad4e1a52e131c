"""What `deploy/` holds, read for its tests: Kubernetes' documents, Compose's services, the image's steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate
import yaml

from plano.catalog.build import load_catalog
from plano.config.load import Configuration

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

KEY = "sk-deploy-canary-0123456789"
"""Stands for every variable that a configuration names."""

Document: TypeAlias = dict[str, Any]


def documents(name: str) -> list[Document]:
    """Those of one file under `deploy/kubernetes`."""
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def kustomization() -> Document:
    (found,) = documents("kustomization.yaml")
    return found


def applied() -> list[Document]:
    """What `kubectl apply -k` sends, but for the ConfigMaps, which it makes itself."""
    return [document for name in kustomization()["resources"] for document in documents(name)]


def config_maps() -> dict[str, dict[str, str]]:
    """Those that the kustomization makes: their files by name."""
    return {
        generated["name"]: {
            name: (KUBERNETES / (source or name)).read_text()
            for name, _, source in (entry.partition("=") for entry in generated["files"])
        }
        for generated in kustomization()["configMapGenerator"]
    }


def one(kind: str, name: str, among: list[Document] | None = None) -> Document:
    """The only document of this kind and name."""
    found = applied() if among is None else among
    (document,) = [each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return document


def pod(deployment: Document) -> Document:
    """The specification of its pods."""
    specification: Document = deployment["spec"]["template"]["spec"]
    return specification


def containers(deployment: Document) -> dict[str, Document]:
    """By name, sidecars included."""
    of_pod = pod(deployment)
    return {each["name"]: each for each in (*of_pod.get("initContainers", ()), *of_pod["containers"])}


def container_ports(deployment: Document) -> dict[str, int]:
    """By name."""
    return {
        port["name"]: port["containerPort"]
        for container in containers(deployment).values()
        for port in container["ports"]
    }


def validate(document: Document, version: str) -> None:
    """Raises when a cluster of this version would refuse `document`, or drop a key that it does not know."""
    kubernetes_validate.validate(document, version, strict=True)


def compose() -> Document:
    found: Document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def compose_variables() -> set[str]:
    """What compose.yaml takes from its env file."""
    return set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))


def instructions(name: str) -> Iterator[list[str]]:
    """Of the Dockerfile, those of one name: their words."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in text.splitlines():
        first, *words = line.split() or [""]
        if first == name:
            yield words


def configuration_of(path: Path, folder: Path, variables: set[str]) -> Configuration:
    """What a configuration under `deploy/` comes to where just these variables are set; in `folder`, so that
    no .env of whoever runs the tests is read. Raises ConfigurationInvalid."""
    copy = folder / "config.yaml"
    copy.write_text(path.read_text())
    return load_catalog(copy, dict.fromkeys(variables, KEY))[0]


def seconds(text: str) -> float:
    """`150s`, `5m`, as Compose and HAProxy write them."""
    amount, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]  # fails loudly
    return float(amount) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def mebibytes(text: str) -> int:
    """`512Mi`, as Kubernetes writes it."""
    assert text.endswith("Mi")
    return int(text.removesuffix("Mi"))
