"""The ledger of claims, and whether runs agree with the published ones."""
