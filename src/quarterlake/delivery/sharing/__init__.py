"""Delta Sharing: the aggregates of releases as shared tables, told from release records alone.

https://github.com/delta-io/delta-sharing/blob/main/PROTOCOL.md. One share holds a schema for each data set and in it a table for
each aggregate. A table's versions are those of its Delta table, as release records pin them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.delivery.profile_file import SHARING_PATH
from quarterlake.delivery.sharing import listing, tables
from quarterlake.delivery.sharing.errors import sharing_answer

if TYPE_CHECKING:
    from fastapi import FastAPI


def install(app: FastAPI) -> None:
    """Serve the protocol, with errors of its own shape; after `problems.install`."""
    app.state.problem_shapes[SHARING_PATH] = sharing_answer
    app.include_router(listing.router)
    app.include_router(tables.router)
