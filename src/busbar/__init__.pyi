from busbar.adapters.files.depot_file import load_depot as load_depot
from busbar.adapters.files.snapshot_file import load_snapshot as load_snapshot
from busbar.core.audit import audit as audit
from busbar.core.balance import balance as balance
from busbar.core.projection import project as project

__all__ = ["audit", "balance", "load_depot", "load_snapshot", "project"]
