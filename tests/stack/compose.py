"""The stack under test: a clean checkout, its own ports and secrets, and `docker compose` on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE_SHOT = {"folders", "minio-init", "delivery-init", "airflow-init"}
HEALTHY = "running healthy"
PORTS = ("S3_PORT", "MINIO_CONSOLE_PORT", "DELIVERY_PORT", "AIRFLOW_PORT")
PROJECT = "quarterlake-test"
CLUSTER = ("-f", "compose.yaml", "-f", "compose.cluster.yaml")


def engine_runs() -> bool:
    """Whether a Docker engine answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    done = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def forget_project() -> None:
    """Remove what any earlier run left. `docker compose down` fails where a container that another waits for is gone."""
    ours = ("--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
    for listing, removal in (
        (("ps", "--all"), ("rm", "--force", "--volumes")),
        (("volume", "ls"), ("volume", "rm", "--force")),
        (("network", "ls"), ("network", "rm", "--force")),
    ):
        left = subprocess.run(
            ["docker", *listing, *ours], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        if left:
            subprocess.run(["docker", *removal, *left], capture_output=True, check=True, timeout=120)


@dataclass
class Stack:
    """A checkout whose stack may be up. `files` are compose's options for the files in use."""

    root: Path
    files: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_checkout(cls, source: Path, root: Path) -> Stack:
        """A clean checkout with a `.env` of random secrets and free ports."""
        subprocess.run(["git", "clone", "--quiet", source, root], check=True)
        subprocess.run([sys.executable, "config/make_env.py"], cwd=root, check=True, capture_output=True)
        text = (root / ".env").read_text()
        for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True):
            text = re.sub(rf"(?m)^{name}=.*$", f"{name}={port}", text)
        text = re.sub(r"(?m)^QUARTERLAKE_RETRY_SECONDS=.*$", "QUARTERLAKE_RETRY_SECONDS=5", text)
        (root / ".env").write_text(text)
        env = dict(re.findall(r"(?m)^([A-Z0-9_]+)=(.*)$", text))
        return cls(root, env=env)

    def compose(self, *arguments: str, check: bool = True, seconds: float = 1500) -> str:
        """What a `docker compose` command prints."""
        done = subprocess.run(
            ["docker", "compose", "--project-name", PROJECT, *self.files, *arguments],
            cwd=self.root,
            env={**os.environ, "BUILDKIT_PROGRESS": "plain"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout

    def up(self, *options: str, seconds: float = 600) -> float:
        """Start everything and wait until it is healthy; the seconds that took, after the build."""
        self.compose("build")
        begun = time.monotonic()
        try:
            self.compose("up", "--detach", *options)
        except AssertionError as failed:
            failed.add_note(self.compose("logs", "--tail", "15", check=False)[-6000:])
            raise
        self.wait_until_healthy(seconds)
        return time.monotonic() - begun

    def wait_until_healthy(self, seconds: float = 600) -> None:
        """Until every service runs and is healthy, and those that run once have ended well."""
        expected = set(self.compose("config", "--services").split())

        def healthy() -> bool:
            states = self.states()
            return expected <= states.keys() and all(
                state == ("exited 0" if name in ONE_SHOT else HEALTHY) for name, state in states.items()
            )

        wait_for(healthy, seconds, lambda: f"{self.states()}\n{self.compose('logs', '--tail', '15')[-6000:]}")

    def states(self) -> dict[str, str]:
        """Each service's state, with its health or its exit code; of several containers that of one that is not healthy."""
        found: dict[str, str] = {}
        for line in self.compose("ps", "--all", "--format", "json").splitlines():
            held = json.loads(line)
            more = str(held["ExitCode"]) if held["State"] == "exited" else held["Health"]
            if found.get(held["Service"], HEALTHY) == HEALTHY:
                found[held["Service"]] = f"{held['State']} {more}".strip()
        return found

    def image_sizes(self) -> str:
        """Each image of the stack with its size."""
        names = sorted(set(self.compose("config", "--images").split()))
        command = ["docker", "image", "inspect", "--format", "{{index .RepoTags 0}} {{.Size}}", *names]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def down(self) -> None:
        """Stop everything and forget its volumes; the folders' contents belong to other users, so a container removes them."""
        self.compose("down", "--volumes", "--timeout", "60", check=False)
        forget_project()
        subprocess.run(
            [
                "docker",
                "run",
                "--rm",
                "--user",
                "0:0",
                "--entrypoint",
                "sh",
                "-v",
                f"{self.root}:/it",
                "quarterlake/minio",
                "-c",
                "rm -rf /it/volumes /it/data_source/*",
            ],
            check=False,
            capture_output=True,
            timeout=120,
        )

    def airflow(self, *arguments: str) -> str:
        """What a command of Airflow's prints."""
        return self.compose("exec", "-T", "airflow-scheduler", "airflow", *arguments)

    def sql(self, query: str) -> list[list[str]]:
        """Rows of Airflow's database."""
        text = self.compose("exec", "-T", "postgres", "psql", "-U", "airflow", "-d", "airflow", "-Atc", query)
        return [line.split("|") for line in text.splitlines()]

    def delivery(self, key: str | None = None) -> httpx.Client:
        """A caller of the delivery API, from outside."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.env['DELIVERY_PORT']}/v1",
            headers={"Authorization": f"Bearer {key or self.env['QUARTERLAKE_DELIVERY_KEY']}"},
            timeout=60,
            trust_env=False,
        )

    def releases(self, dataset: str) -> list[dict[str, Any]]:
        """A data set's releases, as delivery lists them."""
        with self.delivery() as client:
            answer = client.get(f"/datasets/{dataset}/releases")
        return list(answer.json().get("releases", []))


def wait_for(condition: Callable[[], bool], seconds: float, told: Callable[[], str]) -> None:
    """Wait until a condition holds. Fails with what `told` says when it does not in time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, told()
        pause.wait(2)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
