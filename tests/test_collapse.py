"""Tables of the variances of classifiers, from histories made by hand."""

import pytest

from nrc_core.sections.cascading_collapse.tables import both_half_times, noise_onsets
from nrc_core.sections.collapse import final_variances, half_times
from tests import fakes
from tests.fakes_classification import classifier, results

TIMES = (1, 10, 100)


def test_the_end_of_training_is_told_of_both_splits():
    one = classifier(
        times=TIMES,
        train=(4.0, 3.0, 1.0),
        strong=(2.0, 1.5, 1.2),
        weak=(0.9, 0.8, 0.7),
        errors=(0.2, 0.3),
        final_loss=0.5,
    )
    (row,) = final_variances(results(one)).to_dict("records")
    found = {name: row[name] for name in ("iterations", "train", "strong", "weak")}
    assert found == {"iterations": 100, "train": 1.0, "strong": 1.2, "weak": 0.7}
    assert (row["train_error"], row["test_error"], row["train_loss"]) == (0.2, 0.3, 0.5)


def test_half_of_the_way_is_from_the_first_value_to_the_last():
    """Half of the way from 8 to 2 is 5, which is three quarters of the way from 8 to 4; log times are interpolated."""
    one = classifier(times=TIMES, train=(4.0, 3.0, 1.0), strong=(2.0,) * 3, weak=(1.0,) * 3, before=((8.0, 4.0, 2.0),))
    found = half_times(results(one)).set_index("layer")
    assert found["first"].tolist() == [8.0, 4.0]
    assert found["final"].tolist() == [2.0, 1.0]
    assert found["half_time"].tolist() == pytest.approx([10**0.75, 10**1.25])


def test_the_half_time_by_the_means_of_the_moment_may_be_another():
    """Around the final means, the variance falls late because the means move late; around its own means, early."""
    one = classifier(times=TIMES, train=(4.0, 4.0, 1.0), current=(2.0, 1.0, 1.0), strong=(2.0,) * 3, weak=(1.0,) * 3)
    (late,) = half_times(results(one))["half_time"]
    (early,) = half_times(results(one), "moment")["half_time"]
    assert (late, early) == (pytest.approx(10**1.5), pytest.approx(10**0.5))
    (row,) = both_half_times(results(one)).to_dict("records")
    assert (row["half_time (final)"], row["half_time (moment)"]) == (late, early)
    assert [row[f"{name} ({means})"] for means in ("final", "moment") for name in ("first", "final")] == [4, 1, 2, 1]


def test_onsets_of_noise_tell_over_collapse():
    two = fakes.results(fakes.network(sites=2), fakes.network(sites=2, seed=1, feature_effective_rank=1))
    table = noise_onsets(two, 0.05)
    assert table[["seed", "onset", "over_collapsed"]].to_numpy().tolist() == [[0, 1000, False], [1, 1000, True]]
