"""What `compose.yaml` gives every service: no root, a read-only file system, limits, a way to tell that it works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
CLUSTER: dict[str, dict[str, Any]] = yaml.load(
    re.sub(r"!(override|reset)", "", (ROOT / "compose.cluster.yaml").read_text()), yaml.SafeLoader
)["services"]
ONE_SHOT = {"folders", "minio-init", "delivery-init", "airflow-init"}
SETS_A_USER = {"minio", "airflow", "quarterlake"}
"""The folders of images that end as a user of their own."""


def user_of(service: dict[str, Any]) -> str:
    """Who a service runs as: compose says it, else the image that is built for it; empty for root."""
    if "user" in service:
        return str(service["user"])
    folder = service["image"].removeprefix("quarterlake/")
    folder = folder if folder in SETS_A_USER else "quarterlake"
    if not service["image"].startswith("quarterlake/"):
        return ""
    users = re.findall(r"(?m)^USER (.+)$", (ROOT / "docker" / folder / "Dockerfile").read_text())
    return str(users[-1])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"folders"}))
def test_no_service_is_root(name: str) -> None:
    user = user_of(SERVICES[name])
    assert user.partition(":")[0] not in {"", "0", "root"}, user


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) is (name not in ONE_SHOT)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


def test_every_part_of_a_cluster_has_a_health_check_of_its_own() -> None:
    for name, service in CLUSTER.items():
        assert name == "spark" or service["healthcheck"]["test"][0] == "CMD", name


def test_the_database_that_is_still_being_made_is_not_taken_for_ready() -> None:
    # https://hub.docker.com/_/postgres: the server that runs the init scripts listens at the socket only.
    check = SERVICES["postgres"]["healthcheck"]["test"]
    assert check[check.index("--host") + 1] == "127.0.0.1"
