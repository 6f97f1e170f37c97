"""The HTTP interface under `/api/v1` (design sections 7 and 8)."""
