"""The page: what a person in the depot sees, over the same HTTP interface that programs use."""
