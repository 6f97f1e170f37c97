"""The schema, revision by revision; run by `busbar.adapters.store.migrate`."""
