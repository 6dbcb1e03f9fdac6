"""The API's routes: data sets, releases, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import FileResponse

from quarterlake.delivery.documents import dataset_document, file_document, files_of, release_document
from quarterlake.delivery.links import GatewayLinks, Links, SignedLinks
from quarterlake.domain.errors import UnknownReleaseError
from quarterlake.domain.releases import checked_dataset_name
from quarterlake.lake.folder import FolderStore
from quarterlake.publishing.releases import datasets_with_releases, find_release, releases_of

if TYPE_CHECKING:
    from quarterlake.lake.stores import Store
    from quarterlake.settings import DeliveryOptions

DatasetName = Annotated[str, Path(max_length=100, examples=["flights"])]
ReleaseName = Annotated[str, Path(max_length=130, examples=["flights@2013-Q1.1"])]
FileNumber = Annotated[int, Path(ge=0, description="As `list_files` numbers them, from 0.")]

router = APIRouter(prefix="/v1")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The zone `aggregated`, and how its files are handed out."""

    store: Store
    options: DeliveryOptions

    def links(self, request: Request) -> Links:
        """What makes links for files."""
        if isinstance(self.store, FolderStore):
            return GatewayLinks(str(request.base_url).rstrip("/"))
        return SignedLinks(self.store.url, self.options.signing, self.options.url_seconds)


def _shelf(request: Request) -> Shelf:
    shelf: Shelf = request.app.state.shelf
    return shelf


OnShelf = Annotated[Shelf, Depends(_shelf)]


@router.get("/datasets", operation_id="list_datasets")
def datasets(shelf: OnShelf) -> dict[str, Any]:
    """The data sets that have a release."""
    held = {name: releases_of(shelf.store, name) for name in datasets_with_releases(shelf.store)}
    return {"datasets": [dataset_document(name, releases) for name, releases in held.items() if releases]}


@router.get("/datasets/{dataset}/releases", operation_id="list_releases")
def releases(dataset: DatasetName, shelf: OnShelf) -> dict[str, Any]:
    """A data set's releases, by period and revision, newest last."""
    found = releases_of(shelf.store, checked_dataset_name(dataset))
    if not found:
        raise UnknownReleaseError(f"{dataset} has no release. GET /v1/datasets lists those that have.")
    return {"releases": [release_document(release) for release in found]}


@router.get("/releases/{name}", operation_id="get_release")
def release(name: ReleaseName, shelf: OnShelf) -> dict[str, Any]:
    """A release: what it was made from, its schema and its files."""
    return release_document(find_release(shelf.store, name))


@router.get("/releases/{name}/files", operation_id="list_files")
def files(name: ReleaseName, shelf: OnShelf, request: Request, response: Response) -> dict[str, Any]:
    """A release's files, each with a URL that downloads it: until `url_expires_at`, or with the API's key where that is null."""
    found, links = find_release(shelf.store, name), shelf.links(request)
    response.headers["Cache-Control"] = "no-store"
    listed = []
    for number, (aggregate, file) in enumerate(files_of(found)):
        link = links.to(found.name, number, file.path)
        listed.append({**file_document(aggregate, file), "url": link.url, "url_expires_at": link.expires_at})
    return {"release": found.name, "files": listed}


@router.get("/releases/{name}/files/{number}", operation_id="download")
def download(name: ReleaseName, number: FileNumber, shelf: OnShelf, request: Request) -> Response:
    """One file of a release: its bytes, or a redirection to where they are."""
    found = find_release(shelf.store, name)
    listed = files_of(found)
    if number >= len(listed):
        raise HTTPException(404, f"{name} has {len(listed)} files, numbered from 0.")
    _, file = listed[number]
    if isinstance(shelf.store, FolderStore):
        with shelf.store.local([file.path]) as [path]:  # the object itself, which stays
            return FileResponse(
                path,
                media_type="application/vnd.apache.parquet",
                filename=PurePosixPath(file.path).name,
                headers={"ETag": f'"{file.sha256}"'},
            )
    link = shelf.links(request).to(found.name, number, file.path)
    return Response(status_code=307, headers={"Location": link.url, "Cache-Control": "no-store"})
