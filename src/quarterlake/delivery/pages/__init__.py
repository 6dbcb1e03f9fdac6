"""The catalog pages: what people see of the releases, rendered on the server from documents that never change."""
