"""Real lakes for the integration tests: in a folder, and on a real S3 server."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from quarterlake.lake.s3_options import S3Options
from tests.integration.s3_server import S3Server, running_s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "lakes"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class LakeTarget:
    """A place for a lake: empty, and of one test alone."""

    url: str
    options: S3Options = field(default_factory=S3Options)
    environment: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.create_bucket(BUCKET)
        yield server


@pytest.fixture
def s3_options(s3_server: S3Server) -> S3Options:
    return S3Options(
        endpoint=s3_server.endpoint,
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
        region=s3_server.region,
    )


@pytest.fixture(params=["folder", "s3"])
def lake_target(request: pytest.FixtureRequest, tmp_path: Path) -> LakeTarget:
    if request.param == "folder":
        return LakeTarget(url=str(tmp_path / "lake"))
    options: S3Options = request.getfixturevalue("s3_options")
    server: S3Server = request.getfixturevalue("s3_server")
    return LakeTarget(f"s3://{BUCKET}/lake-{next(_numbers)}", options, server.environment)
