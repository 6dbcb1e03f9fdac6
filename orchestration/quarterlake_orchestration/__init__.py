"""What the DAGs know of quarterlake: its services' HTTP interface and its periods. Nothing of its code."""
