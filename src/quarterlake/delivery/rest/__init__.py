"""The REST interface, versioned under `/v1`."""

from quarterlake.delivery.rest import contents, datasets, description, downloads, evidence, ledger, releases

routers = [
    datasets.router,
    releases.router,
    description.router,
    evidence.router,
    contents.router,
    downloads.router,
    ledger.router,
]
"""All routers of REST."""
