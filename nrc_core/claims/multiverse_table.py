"""The networks of the multiverse as one compact table of final quantities, and results rebuilt from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from nrc_core.config.base import Configuration
from nrc_core.config.regression import RunConfig
from nrc_core.errors import DataDamaged
from nrc_core.files import atomic_folder, project_folder
from nrc_core.results.criteria import last_sites
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

MOST_TARGETS = 3  # largest target dimension t of the data sets of the multiverse
RANKS = range(1, 2 * MOST_TARGETS + 1)  # features of signed targets behind a ReLU have up to 2t directions
CURVES = ("nrc1", "nrc2", "nrc3")
PLACE = ["key", "split", "features", "site", "name", "width", "rank"]
QUANTITIES = [
    *CURVES, "nrc4", "nrc4_unexplained", "feature_stable_rank", "feature_effective_rank", "feature_variance",
    "weight_stable_rank", "network_mse", "target_variance", "target_stable_rank", "target_effective_rank",
]  # fmt: skip
AT_RANKS = [f"{name}_{k}" for name in CURVES for k in RANKS]
COLUMNS = [*PLACE, *QUANTITIES, *AT_RANKS]
# What the record of a network keeps of the provenance of its run.
KEPT = ("seconds", "device", "instructions", "date", "commit", "source_checksum", "packages", "failure")
KEPT_OF_DATA = ("identity", "table_sha256", "kind", "split", "n_train", "n_test")
TABLE, RECORDS, SHARES = "networks.parquet", "networks.json", "shares.json"


def default_folder() -> Path:
    """The folder of the table in the published results."""
    return project_folder() / "results" / "multiverse"


@dataclass(frozen=True)
class Networks:
    """Final quantities of many networks.

    Attributes:
        table: one row for each network, split, kind of features and site, with the `COLUMNS`. `nrc1_k` is NRC1 at
            rank k, from 1 to twice the largest target dimension, and so on. Quantities are in single precision.
        records: for each network, by key, the parts of the provenance of its run that are in `KEPT`, and `data`.
    """

    table: pd.DataFrame
    records: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Networks:
        """Read the networks in a folder; there are none if there is no such folder.

        Raises:
            DataDamaged: a file is missing or has other content.
        """
        if not folder.is_dir():
            return cls(pd.DataFrame(columns=COLUMNS), {})
        try:
            table = pd.read_parquet(folder / TABLE)[COLUMNS]
            return cls(table, json.loads((folder / RECORDS).read_text()))
        except (OSError, ValueError, KeyError) as error:
            raise DataDamaged(
                f"{folder} does not hold the networks of the multiverse, {TABLE} and {RECORDS} "
                f"({type(error).__name__}): restore it, or remove it and make it with `nrc multiverse`"
            ) from None

    def write(self, folder: Path, shares: Mapping[str, Any]) -> None:
        """Write the networks, and the shares of the claims that were computed from them, in one step."""
        with atomic_folder(folder) as partial:
            order = self.table.sort_values(["key", "split", "features", "site"], kind="stable")
            order.to_parquet(partial / TABLE, index=False, compression="zstd")
            for name, content in ((RECORDS, self.records), (SHARES, shares)):
                (partial / name).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")

    def key(self, config: Configuration) -> str | None:
        """The key of the network of a configuration, or None if it is not here."""
        return self._keys.get(_canonical(config.identity()))

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {record["identity"]: key for key, record in self.records.items()}

    def with_run(self, config: RunConfig, key: str, provenance: Mapping[str, Any], results: Results | None) -> Networks:
        """These networks and one more; `results` has only its run, and is None if the network diverged."""
        parts = [one for one in (self.table, None if results is None else compact(results)) if one is not None]
        table = pd.concat([one for one in parts if len(one)] or parts, ignore_index=True)
        return Networks(table, {**self.records, key: _record(config, provenance)})

    def results(self, members: Mapping[int, list[RunConfig]], *, features: str = "post", rank: str = "t") -> Results:
        """Results of networks, as if they had been measured on these features and at this rank.

        Args:
            members: configurations by number. The number takes the place of the seed, so that the checks take the
                networks with one number together. Networks that are not in the table are left out.
            features: "post", after the activation, or "pre", before it.
            rank: "t": the target dimension; "targets": the rank of the targets (99 % of their variance); "k_star": the
                least rank k with NRC1(k) <= `k_star_noise_most` at the last site that feeds a weight, and at most 2t.

        Returns:
            Results with runs, measurements at the last epoch, and what checks read of the provenance.
        """
        keys = {key: (number, one) for number, each in members.items() for one in each if (key := self._known(one))}
        rows = self.table[self.table["key"].isin(keys)]
        rows = pd.concat(
            [rows[(rows["split"] == "train") & (rows["features"] == features)], rows[rows["split"] == "test"]]
        )
        rows = _at_rank(rows, rank).assign(features="post", convention="careful")
        rows = rows.assign(seed=rows["key"].map({key: number for key, (number, _) in keys.items()}))
        rows = rows.assign(epoch=rows["key"].map({key: one.epochs for key, (_, one) in keys.items()}))
        runs = [self._run(key, number, one) for key, (number, one) in keys.items()]
        losses = pd.DataFrame(columns=["key"])
        provenance = {key: dict(self.records[key]) for key in keys}
        return Results(pd.DataFrame(runs), rows.reset_index(drop=True), losses.copy(), losses, provenance)

    def _known(self, config: RunConfig) -> str | None:
        key = self.key(config)
        return None if key is None or self.records[key].get("failure") else key

    def _run(self, key: str, number: int, config: RunConfig) -> dict[str, Any]:
        data = self.records[key]["data"]
        facts = {"key": key, "cached": True, "split": data["split"], "shuffled": None}
        return facts | {"exposure": config.exposure(data["n_train"])} | config.as_dict() | {"seed": number}


def compact(results: Results) -> pd.DataFrame:
    """The rows of `Networks.table` from results."""
    parts = []
    for split, features in (("train", "post"), ("train", "pre"), ("test", "post")):
        rows = results.final(split, features)
        curves = results.final_spectra(split, features)
        wide = curves[curves["k"].isin(RANKS)].pivot(index=["key", "site"], columns="k", values=list(CURVES))
        wide.columns = [f"{name}_{k}" for name, k in wide.columns]
        parts.append(rows.join(wide.reindex(columns=AT_RANKS), on=["key", "site"]))
    table = pd.concat(parts, ignore_index=True)[COLUMNS]
    whole = dict.fromkeys(("site", "width", "rank", "feature_effective_rank", "target_effective_rank"), "int16")
    single = {name: "float32" for name in [*QUANTITIES, *AT_RANKS] if name not in whole}
    return table.astype(single | whole)


def _at_rank(rows: pd.DataFrame, rank: str) -> pd.DataFrame:
    """The rows with NRC1 to NRC3 at another rank than the target dimension, see `Networks.results`."""
    rows = rows.reset_index(drop=True)
    if rank == "t" or rows.empty:
        return rows
    train = rows[rows["split"] == "train"]
    last = last_sites(train)
    if rank == "targets":
        ranks = last["target_effective_rank"].astype(int)
    else:
        most = 2 * last["rank"].astype(int)
        noisy = sum((last[f"nrc1_{k}"] > thresholds()["k_star_noise_most"]).astype(int) * (k < most) for k in RANKS)
        ranks = noisy + 1
    chosen = rows["key"].map(ranks)
    for k in sorted(set(chosen)):
        there = (chosen == k) & rows[f"nrc1_{k}"].notna()
        for name in CURVES:
            rows[name] = rows[name].where(~there, rows[f"{name}_{k}"])
        rows["rank"] = rows["rank"].where(~there, k)
    return rows


def _record(config: Configuration, provenance: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: provenance["data"].get(name) for name in KEPT_OF_DATA}
    known = {name: provenance[name] for name in KEPT if name in provenance}
    return {"identity": _canonical(config.identity()), "data": data} | known


def _canonical(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
