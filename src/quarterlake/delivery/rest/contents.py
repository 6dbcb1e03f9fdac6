"""What is in a release: rows and statistics, in the shapes that the dataset viewer of Hugging Face made common."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/v1/releases", tags=["contents"])
