"""Checks that compare networks of several weight decays."""

import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import final_sites, genuine, kept, parts, rank_correlation
from nrc_core.results.criteria import first_site, last_sites, over_collapsed
from nrc_core.results.results import Results
from nrc_core.sections.recipes import RECIPES
from nrc_core.theory.bounds import decay_beyond_targets

Sites = dict[float, pd.DataFrame]  # weight sites of the networks of one seed, by weight decay
Others = list[pd.DataFrame]


@kept
def _by_seed(results: Results) -> Items:
    """Yield for every data set and seed with several weight decays the `final_sites` of networks by weight decay."""
    for network, rows in parts(final_sites(results), ["dataset", "seed"], order="site"):
        sites = dict(list(rows.groupby("weight_decay")))
        if len(sites) > 1:
            yield network, sites


def _against_others(results: Results, weight_decay: float) -> Items:
    """Yield for every seed the sites of its network at one weight decay and the sites at all other weight decays."""
    for network, sites in _by_seed(results):
        if weight_decay in sites:
            yield network, sites[weight_decay], [rows for value, rows in sites.items() if value != weight_decay]


def _losses(results: Results, weight_decay: float) -> Items:
    """Yield for every seed training and test loss with one column for each weight decay, if one is `weight_decay`."""
    tables = [results.label(results.final(split), "dataset", "weight_decay") for split in ("train", "test")]
    losses = pd.concat([table.groupby("key", sort=False).first() for table in tables])
    for network, rows in parts(losses, ["dataset", "seed"]):
        errors = rows.pivot(index="split", columns="weight_decay", values="network_mse")
        if errors.shape[1] > 1 and weight_decay in errors.columns:
            yield network, errors


def _sweeps(results: Results) -> Items:
    """Yield noise at the last site and generalisation gap of networks, for pages with three weight decays or more.

    Over-collapsed networks are left out: they have little noise and a small gap because they learned little.
    """
    train, test = (last_sites(results.label(results.final(split), "dataset")) for split in ("train", "test"))
    train = train[~over_collapsed(results.final())]
    train = train.dropna(subset="nrc1")  # a network whose features vanished has no noise
    gap = (test["network_mse"] - train["network_mse"])[train.index] / train["target_variance"]
    if results.runs["weight_decay"].nunique() > 2:
        yield {"group": train["dataset"].iloc[0], "seed": -1}, train["nrc1"], gap


@check(limit=0.0, over=_by_seed, needs="a weight decay at which all four conditions hold, beside 0")
def no_collapse_without_weight_decay(sites: Sites, limits: Limits) -> Value | None:
    """Sites with all four conditions at weight decay 0 (at another weight decay they must hold somewhere).

    Over-collapsed networks do not count.
    """
    collapsed = {value: int(genuine(rows, limits).all(axis=1).sum()) for value, rows in sites.items()}
    none = collapsed.pop(0.0, None)
    return none if any(collapsed.values()) else None


@check(limit="sites_least", over=_against_others, at_least=True)
def noise_and_alignment_at(rows: pd.DataFrame, _: Others, limits: Limits) -> Value:
    """Sites with NRC1 and NRC3 at weight decay {weight_decay:g}.

    An over-collapsed network has none.
    """
    flags = genuine(rows, limits)
    return int((flags["nrc1"] & flags["nrc3"]).sum())


@check(limit="loss_factor", over=_losses, at_least=True)
def loss_at(errors: pd.DataFrame, weight_decay: float, split: str) -> Value:
    """Error on {split} data at weight decay {weight_decay:g} over the lowest of all."""
    return float(errors.loc[split, weight_decay] / errors.loc[split].min())


@check(limit="nothing_learned_least", over=_by_seed, at_least=True, needs="a weight decay beyond the targets")
def nothing_learned_beyond_targets(sites: Sites) -> Value | None:
    """Unexplained share of the target variance at a weight decay beyond the targets."""
    rows = sites[max(sites)]
    first = rows.iloc[0]
    strongest = first["rank"] * first["target_variance"] / first["target_stable_rank"]
    beyond = max(sites) >= decay_beyond_targets(strongest, int(first["rank"]), len(rows))
    return first["network_mse"] / first["target_variance"] if beyond else None


@check(limit="misaligned_below", over=_by_seed, strict=True, needs="a smaller weight decay than the recipe's")
def noise_without_alignment(sites: Sites, limits: Limits) -> Value | None:
    """Lowest NRC3 at the last site among the weight decays below the recipe's that have NRC1 there.

    Over-collapsed networks do not count. If no weight decay has NRC1 there, the value is NaN and the claim fails.
    """
    ends = [rows.tail(1) for value, rows in sites.items() if value < _recipe(rows)]
    return _lowest_with(ends, limits, ["nrc1"], "nrc3")


@check(limit="poor_targets_below", over=_by_seed, strict=True, needs="a larger weight decay than the recipe's")
def collapse_without_targets(sites: Sites, limits: Limits) -> Value | None:
    """Lowest NRC2 among the sites with NRC1 and NRC3 at weight decays above the recipe's.

    Over-collapsed networks do not count. If there is no such site, the value is NaN and the claim fails.
    """
    larger = [rows for value, rows in sites.items() if value > _recipe(rows)]
    return _lowest_with(larger, limits, ["nrc1", "nrc3"], "nrc2")


def _recipe(rows: pd.DataFrame) -> float:
    """The weight decay of the recipe of the data set."""
    return RECIPES[rows["dataset"].iloc[0]].weight_decay


def _lowest_with(some: list[pd.DataFrame], limits: Limits, conditions: list[str], column: str) -> Value | None:
    """The lowest value of a column among the sites that meet conditions; NaN if no site does, None without networks."""
    if not some:
        return None
    rows = pd.concat(some)
    return float(rows.loc[genuine(rows, limits)[conditions].all(axis=1), column].min())


@check(limit="trend_least", over=_sweeps, at_least=True)
def collapse_and_gap(noise: pd.Series, gap: pd.Series) -> Value:
    """Rank correlation of noise at the last site with the generalisation gap, over weight decays and seeds."""
    return rank_correlation(noise, gap)


@check(limit="noise_most", over=_by_seed)
def noise_at_every(sites: Sites, excluded: float) -> Found:
    """Largest noise at the last site, weight decays other than {excluded:g}.

    An over-collapsed network fails.
    """
    others = pd.concat([rows.tail(1) for value, rows in sites.items() if value != excluded])
    return others["nrc1"].max(), not others["over_collapsed"].any()


@check(limit=1.0, over=_against_others, at_least=True)
def earlier_collapse_at(rows: pd.DataFrame, others: Others, limits: Limits) -> Value:
    """Sites by which collapse (NRC1) starts earlier at weight decay {weight_decay:g} than at any other.

    The value is the number of sites by which the first collapsed site lies before the earliest first collapsed site of
    all other weight decays. An over-collapsed network has no collapsed site.
    """
    firsts = [first_site(genuine(one, limits)["nrc1"], one["site"]) for one in (rows, *others)]
    none = int(rows["site"].iloc[-1]) + 1
    here, *there = (none if site is None else site for site in firsts)
    return min(there) - here


@check(limit=1.0, over=_against_others, at_least=True)
def alignment_only_at(rows: pd.DataFrame, others: Others, limits: Limits) -> Found:
    """Sites with NRC3 at weight decay {weight_decay:g}, less the most at any other.

    There must be enough aligned sites (NRC3) at this weight decay and too few at every other weight decay. An
    over-collapsed network has none.
    """
    here, *there = (int(genuine(one, limits)["nrc3"].sum()) for one in (rows, *others))
    return here - max(there), here >= limits["sites_least"] > max(there)


@check(limit=1.0, over=_against_others, strict=True)
def lower_weight_rank_at(rows: pd.DataFrame, others: Others) -> Value:
    """Mean stable rank of the weights at weight decay {weight_decay:g} over the lowest at any other."""
    return rows["weight_stable_rank"].mean() / min(one["weight_stable_rank"].mean() for one in others)


@check(limit="noise_factor", over=_against_others, at_least=True, strict=True)
def noisier_than_at(rows: pd.DataFrame, others: Others, last: int = 4) -> Found:
    """Least noise at any other weight decay over that at {weight_decay:g}, means over the last {last} sites.

    The value is the least mean noise over the last sites among the other weight decays, divided by the mean noise at
    this weight decay. A network that is over-collapsed at this weight decay fails.
    """
    ratio = min(one["nrc1"].tail(last).mean() for one in others) / rows["nrc1"].tail(last).mean()
    return ratio, not rows["over_collapsed"].any()


@check(limit="misaligned_below", over=_against_others, strict=True)
def misaligned_but_at(rows: pd.DataFrame, others: Others, limits: Limits, last: int = 4) -> Found:
    """Largest NRC3 at any weight decay but {weight_decay:g} (where it must be high), last {last} sites' mean.

    The value is the largest mean NRC3 over the last sites among the other weight decays. At this weight decay, the mean
    NRC3 must be high, and the network must not be over-collapsed.
    """
    here, *there = (one["nrc3"].tail(last).mean() for one in (rows, *others))
    return max(there), here >= limits["alignment_least"] and not rows["over_collapsed"].any()


@check(limit=0.0, over=_by_seed)
def weight_rank_falls(sites: Sites) -> Value:
    """Steps up in weight decay without a fall of the weights' mean stable rank.

    The value is the number of steps from one weight decay to the next larger weight decay at which the mean stable rank
    of the weights does not fall.
    """
    ranks = pd.Series([sites[value]["weight_stable_rank"].mean() for value in sorted(sites)])
    return int((ranks.diff().dropna() >= 0).sum())


@check(limit="loss_factor", over=_losses)
def loss_as_low_as_at(errors: pd.DataFrame, weight_decay: float) -> Value:
    """Largest loss at any other weight decay over that at {weight_decay:g} (training or test, the larger ratio).

    The value is the largest loss at the other weight decays over the loss at this weight decay. Of the ratios for
    training and test loss, the larger one counts.
    """
    return float((errors.drop(columns=weight_decay).max(axis=1) / errors[weight_decay]).max())
