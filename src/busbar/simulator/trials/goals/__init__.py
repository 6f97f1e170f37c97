"""Goals: what has to hold in every trial, each a witness of its own (R1 to R10)."""
