"""The ledger: what happened and what holds. `provisioner.ledger.store.open_ledger` is its door."""
