"""The number of directions k* and the conditions there, on curves made by hand."""

import math

import pandas as pd

from nrc_core.results.directions import at_k_star
from tests.fakes import network, results


def test_k_star_is_the_least_rank_with_little_noise_and_the_conditions_are_taken_there():
    curves = {"nrc1": [0.5, 0.1, 0.005, 0.0], "nrc2": [0.6, 0.7, 0.8, 0.9], "nrc3": [0.1, 0.2, 0.99, 0.4]}
    found = at_k_star(results(network(sites=4, spectra=curves)))
    assert found["site"].tolist() == [0, 1, 2, 3]
    assert found["from_last"].tolist() == [3, 2, 1, 0]
    assert (found["t"] == 2).all()
    assert (found["k_star"] == 3).all()
    assert found[["nrc1_t", "nrc2_t", "nrc3_t"]].iloc[0].tolist() == [0.1, 0.7, 0.2]
    assert found[["nrc1_k", "nrc2_k", "nrc3_k"]].iloc[0].tolist() == [0.005, 0.8, 0.99]


def test_without_a_stored_rank_of_little_noise_k_star_is_not_known():
    curves = {"nrc1": [0.5, 0.3, 0.2, 0.1], "nrc2": 0.8, "nrc3": 0.7}
    noisy, clean = network(spectra=curves), network(spectra=curves | {"nrc1": 0.001})
    found = at_k_star(results(noisy, clean)).groupby("key").first()
    assert pd.isna(found["k_star"].iloc[0])
    assert math.isnan(found["nrc3_k"].iloc[0])
    assert found["nrc3_t"].iloc[0] == 0.7
    assert found["k_star"].iloc[1] == 1
