"""Tables of exposure: what it predicts for every network, and what is found at its sites."""

import math
from pathlib import Path

import pandas as pd

from nrc_core.config.base import Configuration
from nrc_core.config.regression import RunConfig
from nrc_core.files import project_folder
from nrc_core.results.criteria import verdicts
from nrc_core.results.directions import at_k_star
from nrc_core.results.exposure import ALIGNED, NOT_ALIGNED, TURNING, predicted
from nrc_core.results.phrases import counted, either, markdown_table, span
from nrc_core.results.results import Results
from nrc_core.results.runs import all_stored
from nrc_core.results.store import Store
from nrc_core.results.thresholds import thresholds

PENULTIMATE = 1  # the `from_last` of the site that the rule is about
EXPOSURES = {NOT_ALIGNED: "too little exposure", TURNING: "exposure between the two limits", ALIGNED: "enough exposure"}
RUN = ["dataset", "bias", "weight_decay", "exposure", "seed"]
# Fields of a run that, with its data, decide its setting; runs of one setting differ in their seed only.
SETTING = ["dataset", "options", "width", "depth", "epochs", "learning_rate", "init_scale", "bias", "weight_decay"]


def published() -> Results | None:
    """The MLPs with regression targets among the published runs, with the tables that are used here; None without any.

    Nothing is trained.
    """
    return all_stored(Store(project_folder() / "results"), _is_mlp, tables=("measurements", "spectra"))


def _is_mlp(config: Configuration) -> bool:
    return isinstance(config, RunConfig) and config.architecture == "mlp"


def by_site(own: Results, others: Results | None = None) -> pd.DataFrame:
    """What exposure predicts and what is found: one row for each network and weight site.

    Args:
        own: the networks of the page.
        others: networks to show beside them; those that are among the page's own are left out.

    Returns:
        Columns of `at_k_star`; `dataset` (a table of one's own by its file name), `bias`, `weight_decay`, `exposure`
        and `seed` of the run; `setting`, the same text for runs that differ in their seed only; `own`;
        `target_rank`, `unexplained` and `over_collapsed` as in `verdicts`; `learned` (whether less than
        `nothing_learned_least` of the targets' variance is left unexplained); `predicted` (see `predicted`), `found`
        (whether NRC3 at rank k* is at least `alignment_least`, missing if it is not known), and `right` (whether both
        are the same, missing if nothing is predicted or found, and with biases, which the rule is not about).
    """
    tables = [_sites(own).assign(own=True)]
    if others is not None:
        beside = _sites(others)
        tables.append(beside[~beside["key"].isin(own.runs["key"])].assign(own=False))
    return pd.concat(tables, ignore_index=True)


def _sites(results: Results) -> pd.DataFrame:
    limits = thresholds()
    runs = results.runs.assign(options=results.runs["dataset_options"].map(_options))
    setting = runs[SETTING].astype(str).agg("; ".join, axis=1)
    runs = runs[["key", *RUN, "options", "width", "depth"]].assign(
        setting=setting, dataset=[Path(name).name for name in runs["dataset"]]
    )
    judged = verdicts(results.final())[["target_rank", "unexplained", "over_collapsed"]].reset_index()
    sites = at_k_star(results).merge(runs, on="key").merge(judged, on="key")
    sites["learned"] = sites["unexplained"] < limits["nothing_learned_least"]
    sites["predicted"] = sites["exposure"].map(predicted)
    aligned = sites["nrc3_k"] >= limits["alignment_least"]
    sites["found"] = aligned.map({True: ALIGNED, False: NOT_ALIGNED}).where(sites["nrc3_k"].notna())
    told = ~sites["bias"] & (sites["predicted"] != TURNING) & sites["found"].notna()
    sites["right"] = (sites["predicted"] == sites["found"]).astype("boolean").where(told)
    return sites


def _options(options: dict[str, object]) -> str:
    """Options of the data in words, without the columns of a table and the random split that nearly all networks have.

    Example:
        >>> _options({"split": "random", "samples": 4000}), _options({"split": "random"})
        ('samples 4000', '')
    """
    told = {
        name: value for name, value in options.items() if name != "targets" and (name, value) != ("split", "random")
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.items())


def penultimate(sites: pd.DataFrame) -> pd.DataFrame:
    """The rows of `by_site` on which the rule is tested: the penultimate sites of networks that learned."""
    return sites[(sites["from_last"] == PENULTIMATE) & sites["learned"]]


def by_setting(sites: pd.DataFrame) -> pd.DataFrame:
    """The rule at the penultimate site: one row for each setting; networks of one setting differ in their seed only.

    Args:
        sites: the table `by_site`.

    Returns:
        In order of the exposure; columns `data`, `network` (layers x width, and whether it has biases), `weight decay`,
        `exposure`, `predicted`, `NRC3 at k*` (median, and range if there are several networks), `right` (networks for
        which the prediction is right among those with one), `k*` and `rank of the targets` (ranges), `over-collapsed`
        and `learned` (networks). NRC3, k*, `right` and `over-collapsed` are of the networks that learned.
    """
    rows = sites[sites["from_last"] == PENULTIMATE]
    found = ["nrc3_k", "k_star", "right"]
    size = rows["depth"].astype(str) + " x " + rows["width"].astype(str)
    rows = rows.assign(
        **rows[found].where(rows["learned"]),
        data=rows["dataset"] + rows["options"].map(lambda text: f" ({text})" if text else ""),
        network=size + rows["bias"].map({True: ", biases", False: ""}),
        predicted=rows["predicted"].where(~rows["bias"], "-"),
        over_collapsed=rows["over_collapsed"] & rows["learned"],
    )
    columns = {
        "data": ("data", "first"),
        "network": ("network", "first"),
        "weight decay": ("weight_decay", "first"),
        "exposure": ("exposure", "median"),
        "predicted": ("predicted", "first"),
        "NRC3 at k*": ("nrc3_k", _spread),
        "right": ("right", _of_those_told),
        "k*": ("k_star", _range),
        "rank of the targets": ("target_rank", _range),
        "over-collapsed": ("over_collapsed", "sum"),
        "learned": ("learned", _of_those_told),
    }
    table = rows.groupby("setting", sort=False).agg(**columns)
    return table.sort_values(["exposure", "data", "network"], kind="stable").reset_index(drop=True)


def _spread(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "-"
    middle = f"{known.median():.3f}"
    return middle if len(known) == 1 else f"{middle} ({known.min():.3f} to {known.max():.3f})"


def _range(values: pd.Series) -> str:
    known = values.dropna()
    return span(known, str) if len(known) else "-"


def _of_those_told(right: pd.Series) -> str:
    told = right.dropna()
    return f"{int(told.sum())} of {len(told)}" if len(told) else "-"


def correlation(rows: pd.DataFrame) -> float:
    """Rank correlation of exposure and NRC3 at rank k* without biases; NaN if either has one value only."""
    some = rows.loc[~rows["bias"], ["exposure", "nrc3_k"]].dropna()
    return float("nan") if some.nunique().min() < 2 else float(some.corr("spearman").iloc[0, 1])


def rule() -> str:
    """The rule in words, with the thresholds that it uses, in Markdown.

    Example:
        >>> rule().splitlines()[0]
        'The rule, at the penultimate weight site of networks without biases:'
    """
    limits = thresholds()
    enough, little, least = (limits[name] for name in ("exposure_enough", "exposure_too_little", "alignment_least"))
    return "\n".join(
        [
            "The rule, at the penultimate weight site of networks without biases:",
            "",
            f"* From E = {enough:g} on, a weight that no gradient holds keeps at most {math.exp(-enough):.0%} of its "
            f"size. NRC3 is predicted to hold (at least {least:g}).",
            f"* Below E = {little:g}, such a weight keeps more than {math.exp(-little):.0%} of its size. NRC3 is "
            "predicted not to hold.",
            "* Between the two, nothing is predicted.",
        ]
    )


def all_settings(sites: pd.DataFrame) -> str:
    """The table `by_setting` of the networks that are not the page's own, folded, in Markdown; empty without any."""
    if sites["own"].all():
        return ""
    table = by_setting(sites[~sites["own"]])
    table["exposure"] = table["exposure"].map("{:.3g}".format)
    table["weight decay"] = table["weight decay"].map("{:g}".format)
    rows = markdown_table(list(table.columns), table.to_numpy().tolist())
    return f":::{{dropdown}} The published networks that are not among them\n{rows}\n:::"


def words(sites: pd.DataFrame) -> str:
    """What the rule predicted and what was found, in Markdown: this page's networks first, then all of them.

    Args:
        sites: the table `by_site`.
    """
    lines = [f"* **This page's networks**: {_rule(sites[sites['own']])}"]
    if not sites["own"].all():
        lines.append(f"* **Together with all published networks**: {_rule(sites)} What follows is about all of these.")
    for bias, name in ((False, "without"), (True, "with")):
        rows = penultimate(sites[sites["bias"] == bias])
        if len(rows):
            lines.append(f"* Networks **{name} biases**: {_parts(rows)}.")
    lines += _directions(penultimate(sites))
    lines += _left_out(sites[sites["from_last"] == PENULTIMATE])
    return "\n".join(lines)


def _rule(sites: pd.DataFrame) -> str:
    """Sentences with the number of networks for which the rule is right, and the rank correlation; without biases."""
    rows = penultimate(sites[~sites["bias"]])
    told = rows[rows["right"].notna()]
    sound = told[~told["over_collapsed"]]
    text = f"the prediction is right for {int(told['right'].sum())} of {counted(len(told), 'network')} without biases"
    if len(sound) < len(told):
        text += f" ({int(sound['right'].sum())} of {len(sound)} without the over-collapsed ones)"
    settings = told.groupby("setting")["right"].all()
    text += f", and for every network in {int(settings.sum())} of {counted(len(settings), 'setting')}"
    if turning := int((rows["predicted"] == TURNING).sum()):
        text += f"; nothing is predicted for {turning} more"
    if len(wrong := told.loc[~told["right"].astype(bool), "exposure"]):
        text += f". Where it is wrong, E is {either(f'{value:.2g}' for value in sorted(wrong))}"
    rank = correlation(rows)
    return f"{text}." if pd.isna(rank) else f"{text}. The rank correlation of exposure and NRC3 is {rank:.2f}."


def _parts(rows: pd.DataFrame) -> str:
    """The number of aligned networks and the median of NRC3, by how much exposure there is."""
    parts = []
    for prediction, exposure in EXPOSURES.items():
        some = rows[rows["predicted"] == prediction]
        if len(some):
            aligned = int((some["found"] == ALIGNED).sum())
            median = some["nrc3_k"].median()
            parts.append(f"with {exposure}, {aligned} of {len(some)} are aligned (median NRC3 {median:.3f})")
    return "; ".join(parts)


def _directions(rows: pd.DataFrame) -> list[str]:
    """A line that compares k* with the rank of the targets, where exposure is enough and no direction was lost."""
    held = rows[(rows["predicted"] == ALIGNED) & ~rows["over_collapsed"] & rows["k_star"].notna()]
    parts = []
    for bias, name in ((False, "without"), (True, "with")):
        some = held[held["bias"] == bias]
        if len(some):
            more = int((some["k_star"] > some["target_rank"]).sum())
            within = int(some["k_star"].between(some["target_rank"], 2 * some["target_rank"]).sum())
            parts.append(
                f"{name} biases {more} of {len(some)} have more directions than the targets, and {within} have between "
                "as many and twice as many"
            )
    if not parts:
        return []
    return [f"* **Directions**, where exposure is enough and no target direction is lost: {'; '.join(parts)}."]


def _left_out(rows: pd.DataFrame) -> list[str]:
    """A line with the number of networks that learned nothing; no line without such networks."""
    blind = rows[~rows["learned"]]
    if blind.empty:
        return []
    which = f"{counted(len(blind), 'network')}, {int(blind['own'].sum())} of them of this page"
    least = thresholds()["nothing_learned_least"]
    return [f"* Left out: {which}. At least {least:.0%} of their targets' variance is left unexplained."]
