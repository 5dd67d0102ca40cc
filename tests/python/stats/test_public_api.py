"""What every public function promises: a cell depends on itself only, extreme floats leak nothing, empty input is told.

Arguments are drawn by their names, so that a new function is taken up as soon as its arguments are known here; one that
is missing in both lists fails.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import python_stats
from python_stats import ClusterMoments, Moments, SampleSize, cluster_arm, cluster_moments

Draw = Callable[[np.random.Generator, int], Any]
Arguments = dict[str, Any]

SIDES = ("two_sided", "greater", "less")
LOOKS = 4

# One row for a name or, with a star, for all names that begin so; the first that fits. Shape (cells, ...).
DRAWN: dict[str, Draw] = {
    "alpha": lambda rng, cells: rng.choice([0.01, 0.05, 0.2], cells),
    "alternative": lambda rng, cells: rng.choice(SIDES, cells),
    "null": lambda rng, cells: rng.normal(0.0, 0.3, cells),
    "benchmark": lambda rng, cells: rng.uniform(0.05, 0.95, cells),
    "power": lambda rng, cells: rng.uniform(0.5, 0.95, cells),
    "ratio": lambda rng, cells: rng.choice([0.5, 1.0, 3.0], cells),
    "q": lambda rng, cells: rng.choice([0.1, 0.5, 0.9], cells),
    "proportion": lambda rng, cells: rng.choice([0.05, 0.2], cells),
    "df": lambda rng, cells: rng.choice([3.0, 12.5, 900.0, np.inf], cells),
    "icc": lambda rng, cells: rng.uniform(0.0, 0.4, cells),
    "cv": lambda rng, cells: rng.uniform(0.0, 2.0, cells),
    "skewness": lambda rng, cells: rng.normal(0.0, 0.2, cells),
    "quantile": lambda rng, cells: rng.normal(0.0, 2.0, cells),
    "statistic": lambda rng, cells: rng.normal(0.0, 2.0, cells),
    "tau": lambda rng, cells: rng.gamma(3.0, 0.3, cells),
    "rho": lambda rng, cells: rng.gamma(3.0, 0.03, cells),
    "target_n": lambda rng, cells: rng.integers(100, 100_000, cells),
    "superiority": lambda rng, cells: rng.uniform(0.2, 0.8, cells),
    "prior_mean": lambda rng, cells: rng.normal(0.0, 1.0, cells),
    "prior_sd": lambda rng, cells: rng.choice([0.5, 3.0, np.inf], cells),
    "prior_*": lambda rng, cells: rng.choice([0.5, 1.0, 20.0], cells),
    "rate_*": lambda rng, cells: rng.uniform(0.02, 0.6, cells),
    "design_effect": lambda rng, cells: rng.uniform(1.0, 3.0, cells),
    "successes": lambda rng, cells: rng.integers(0, 40, cells),
    "successes_*": lambda rng, cells: rng.integers(0, 40, cells),
    "n_zero*": lambda rng, cells: rng.integers(0, 60, cells),
    "n_negative*": lambda rng, cells: rng.integers(0, 3, cells),
    "n": lambda rng, cells: rng.integers(40, 400, cells),
    "n_*": lambda rng, cells: rng.integers(40, 400, cells),
    "pairs": lambda rng, cells: np.sort(rng.integers(2, 400, (cells, LOOKS)), axis=1),
    "clusters*": lambda rng, cells: rng.integers(3, 30, cells),
    "size": lambda rng, cells: rng.uniform(1.0, 30.0, cells),
    "mean_size": lambda rng, cells: rng.uniform(1.0, 30.0, cells),
    "rank_sum_treatment": lambda rng, cells: rng.integers(5_000, 9_000, cells),
    "tie_term": lambda rng, cells: rng.integers(0, 5, cells) * 6.0,
    "weighted_size": lambda rng, cells: rng.uniform(5.0, 20.0, cells),
    "arms": lambda rng, cells: rng.integers(1, 3, cells),
    "trace*": lambda rng, cells: rng.uniform(0.05, 0.4, cells),
    "denominator_*": lambda rng, cells: rng.gamma(9.0, 10.0, cells),
    "level_*": lambda rng, cells: rng.uniform(0.05, 0.4, cells),
    "cov_effect_control": lambda rng, cells: -rng.gamma(3.0, 0.01, cells),
    "cov*": lambda rng, cells: rng.normal(0.0, 0.1, cells),
    "effect*": lambda rng, cells: rng.normal(0.0, 1.0, cells),
    "se*": lambda rng, cells: rng.gamma(3.0, 0.1, cells),
    "mean*": lambda rng, cells: rng.normal(3.0, 1.0, cells),
    "var*": lambda rng, cells: rng.gamma(3.0, 0.5, cells),
    "ss_*": lambda rng, cells: rng.gamma(30.0, 1.0, cells),
    "third_*": lambda rng, cells: rng.normal(0.0, 1.0, cells),
    "lowest_kept": lambda rng, cells: rng.normal(1.0, 0.3, cells),
    "highest_kept": lambda rng, cells: rng.normal(5.0, 0.3, cells),
    "cutoff_low": lambda rng, cells: rng.normal(1.0, 0.3, cells),
    "cutoff_high": lambda rng, cells: rng.normal(5.0, 0.3, cells),
    "units": lambda rng, cells: rng.integers(0, 900, cells),
    "planned_units": lambda rng, cells: rng.integers(500, 900, cells),
    "observed": lambda rng, cells: rng.integers(20, 60, (cells, 3)),
    "expected_share": lambda rng, cells: rng.choice([0.2, 1.0, 3.0], (cells, 3)),
    "spending": lambda rng, cells: rng.choice(["obrien_fleming", "pocock", "power", "hwang_shih_decani"], cells),
    "parameter": lambda rng, cells: rng.uniform(0.5, 3.0, cells),
    "first_rank*": lambda rng, cells: np.ones(cells, dtype=int),
    "values*": lambda rng, cells: np.sort(rng.normal(50.0, 4.0, (cells, 400)), axis=1),
    "totals_*": lambda rng, cells: np.stack(
        [rng.gamma(3.0, 1.0, (cells, 24)), rng.integers(3, 9, (cells, 24)).astype(float)], axis=-1
    ),
    "counts_*": lambda rng, cells: rng.integers(0, 6, (cells, 5)),
    "control": lambda rng, cells: drawn_moments(rng, cells, 2),
    "treatment": lambda rng, cells: drawn_moments(rng, cells, 2),
    "moments": lambda rng, cells: drawn_moments(rng, cells, 2),
    "a": lambda rng, cells: drawn_moments(rng, cells, 2),
    "b": lambda rng, cells: drawn_moments(rng, cells, 2),
}
PER_LOOK: dict[str, Draw] = {
    "effect": lambda rng, cells: rng.normal(0.0, 1.0, (cells, LOOKS)),
    "se": lambda rng, cells: rng.gamma(3.0, 0.1, (cells, LOOKS)),
    "n": lambda rng, cells: np.sort(rng.integers(40, 9_000, (cells, LOOKS)), axis=1),
    "information_fraction": lambda rng, cells: drawn_fractions(rng, cells),
    "mean_*": lambda rng, cells: rng.normal(3.0, 1.0, (cells, LOOKS)),
    "mean_difference": lambda rng, cells: rng.normal(0.0, 1.0, (cells, LOOKS)),
    "var_*": lambda rng, cells: rng.gamma(3.0, 0.5, (cells, LOOKS)),
    "n_*": lambda rng, cells: np.sort(rng.integers(40, 9_000, (cells, LOOKS)), axis=1),
    "z_boundary": lambda rng, cells: rng.uniform(2.0, 4.0, (cells, LOOKS)),
    "stopped_at": lambda rng, cells: rng.integers(-1, LOOKS, cells),
    # One plan for all looks of a schedule.
    "alpha": lambda rng, cells: rng.choice([0.01, 0.05, 0.2], (cells, 1)),
    "alternative": lambda rng, cells: rng.choice(SIDES, (cells, 1)),
    "null": lambda rng, cells: rng.normal(0.0, 0.3, (cells, 1)),
    "tau": lambda rng, cells: rng.gamma(3.0, 0.3, (cells, 1)),
    "rho": lambda rng, cells: rng.gamma(3.0, 0.03, (cells, 1)),
    "unit_variance": lambda rng, cells: rng.gamma(3.0, 0.3, (cells, 1)),
}
PER_SCHEDULE = {name: DRAWN[name] for name in ("alpha", "alternative", "null", "spending", "parameter")}
PER_ARM: dict[str, Draw] = {
    "effect": lambda rng, cells: rng.normal(1.0, 1.0, (cells, 4)),
    "se": lambda rng, cells: rng.uniform(0.5, 1.5, (cells, 4)),
    "control_variance": lambda rng, cells: rng.uniform(0.01, 0.2, cells),
    "df": lambda rng, cells: rng.choice([9.0, 60.5, 900.0, np.inf], (cells, 4)),
    "value": lambda rng, cells: rng.normal(1.0, 1.0, (cells, 4)),
    "variance": lambda rng, cells: rng.uniform(0.5, 1.5, (cells, 4)),
    "mean_treatment": lambda rng, cells: rng.normal(3.0, 1.0, (cells, 4)),
    "var_treatment": lambda rng, cells: rng.gamma(3.0, 0.5, (cells, 4)),
    "n_treatment": lambda rng, cells: rng.integers(5, 400, (cells, 4)),
}


def drawn_moments(rng: np.random.Generator, cells: int, variables: int) -> Moments:
    root = rng.normal(0.0, 1.0, (cells, variables, 9))
    mean = rng.normal(3.0, 1.0, (cells, variables))
    return Moments(rng.integers(20, 400, cells), mean, root @ np.swapaxes(root, -1, -2) / 9)


def drawn_strata(rng: np.random.Generator, cells: int) -> Moments:
    return Moments(*(np.stack([getattr(part, name) for part in
        [drawn_moments(rng, cells, 1) for _ in range(3)]], axis=1) for name in ("n", "mean", "cov")))  # fmt: skip


def drawn_fractions(rng: np.random.Generator, cells: int) -> np.ndarray:
    fraction = np.sort(rng.uniform(0.03, 1.1, (cells, LOOKS)), axis=1)
    return np.where(rng.random(fraction.shape) < 0.1, np.nan, fraction)


def drawn_clusters(rng: np.random.Generator, cells: int) -> ClusterMoments:
    rows = 6 * cells
    return cluster_moments(np.repeat(np.arange(cells), 6), rng.integers(1, 30, rows), rng.gamma(3.0, 9.0, rows))


@dataclasses.dataclass(frozen=True)
class Offer:
    """One way to call a public function.

    ``drawn`` are further rows of `DRAWN` (or None: leave the default), ``fixed`` what is the same for all cells.
    """

    name: str
    drawn: dict[str, Draw | None] = dataclasses.field(default_factory=dict)
    fixed: Arguments = dataclasses.field(default_factory=dict)

    @property
    def function(self) -> Callable[..., Any]:
        return getattr(python_stats, self.name)

    @property
    def id(self) -> str:
        return "-".join([self.name, *(str(value) for value in self.fixed.values())])

    def arguments(self, rng: np.random.Generator, cells: int) -> Arguments:
        found = {}
        for parameter in inspect.signature(self.function).parameters.values():
            name, default = parameter.name, parameter.default
            is_option = isinstance(default, (str, bool)) and name not in ("alternative", "spending", "sided", "design")
            if name in self.fixed or is_option or name == "seed":
                continue
            draw = None if self.drawn.get(name, ...) is None else first_fit(self.drawn, name) or first_fit(DRAWN, name)
            if draw is not None:
                found[name] = draw(rng, cells)
            elif default is inspect.Parameter.empty:
                pytest.fail(f"{self.name} has an argument that nobody draws: {name}")
        return found

    def call(self, arguments: Arguments) -> Any:
        return self.function(**arguments, **self.fixed)


def first_fit(rows: dict[str, Draw | None], name: str) -> Draw | None:
    if name in rows:
        return rows[name]
    return next((draw for key, draw in rows.items() if key.endswith("*") and name.startswith(key[:-1])), None)


T = {"distribution": "t"}
CELLWISE = [
    *(Offer(name) for name in (
        "agresti_caffo_interval", "bell_mccaffrey_df", "beta_binomial", "bootstrap_difference", "brunner_munzel",
        "cace", "clopper_pearson_interval", "cluster_level_df", "cluster_mean_t", "cohen_d", "conditional_odds_ratio",
        "cuped", "cut_ranks", "design_effect", "difference_in_differences", "exact_binomial_test", "exact_multinomial",
        "fieller_lift", "fisher_exact_2x2", "geometric_means", "hall_lift", "hall_quantile", "hall_statistic",
        "hall_wald", "information_fraction", "interaction_test", "lift_interval", "linear_delta_lift",
        "linearised_variance", "log_delta_lift", "mann_whitney", "mann_whitney_conditional", "mee_interval", "merge",
        "miettinen_nurminen_interval", "newcombe_interval", "normal_normal", "one_proportion_z",
        "order_statistic_window", "permutation_test", "pooled_skewness", "pooled_t", "power_proportions",
        "rank_sums_with_zeros", "ratio_difference", "score_ratio_interval", "size_cv2", "skewness_of_difference",
        "srm_chi_square", "trimmed_mean_se", "two_proportion_z", "wald", "welch_t", "wilson_interval",
        "winsorized_moments_by_cutoff", "winsorized_moments_by_rank", "with_zeros", "yuen_t", "ancova", "lin",
        "farrington_manning", "mde_means", "mde_proportions", "sample_size_means", "sample_size_proportions",
        "power_means", "quantile_difference", "quantile_interval", "quantile_standard_error", "sample_quantile",
        "asymptotic_cs_rho", "anova_icc",
    )),
    Offer("beta_binomial", {"n_*": lambda rng, cells: rng.choice([45, 3_000, 90_000], cells)}, {"lift": False}),
    Offer("cace", fixed={"standard_error": "iid"}),
    Offer("bootstrap_difference", fixed={"method": "studentized", "draws": 400}),
    Offer("bootstrap_difference", fixed={"method": "percentile", "weights": "poisson", "draws": 400}),
    Offer("power_means", fixed=T),
    Offer("power_means", fixed={**T, "both_tails": True}),
    Offer("sample_size_means", fixed=T),
    Offer("sample_size_means", fixed={"both_tails": True}),
    Offer("mde_means", fixed=T),
    Offer("mde_means", fixed={"both_tails": True}),
    Offer("sample_size_proportions", {"null": None}, {"method": "arcsine"}),
    Offer("sample_size_proportions", {"null": None}, {"method": "continuity_corrected"}),
    Offer("farrington_manning", fixed={"variance": "miettinen_nurminen"}),
    Offer("lift_interval", fixed={"method": "fieller"}),
    Offer("exact_multinomial", {"observed": lambda rng, cells: rng.integers(0, 900, (cells, 2)),
                                "expected_share": lambda rng, cells: rng.choice([1.0, 3.0], (cells, 2))}),
    Offer("exact_multinomial", fixed={"max_outcomes": 10, "draws": 500}),
    Offer("mann_whitney", {"n_*": lambda rng, cells: rng.integers(3, 12, cells),
                           "rank_sum_treatment": lambda rng, cells: rng.integers(30, 70, cells)}, {"method": "exact"}),
    Offer("asymptotic_cs_rho", fixed={"method": "lambert_w"}),
    Offer("cuped", fixed={"theta_from": "within_arm"}),
    Offer("cuped_ratio", {"control": lambda rng, cells: drawn_moments(rng, cells, 4),
                          "treatment": lambda rng, cells: drawn_moments(rng, cells, 4)}),
    Offer("lin", {"control": lambda rng, cells: drawn_moments(rng, cells, 4),
                  "treatment": lambda rng, cells: drawn_moments(rng, cells, 4)}, {"target": "population"}),
    Offer("poststratified", {"control": drawn_strata, "treatment": drawn_strata, "n_cells": None}),
    Offer("linearised", {"moments": lambda rng, cells: drawn_moments(rng, cells, 3)}, {"variables": [(0, 1), 2]}),
    Offer("linear_combination", {"weights": lambda rng, cells: rng.normal(0.0, 1.0, (cells, 3, 2))}),
    Offer("merge_all", {"moments": drawn_strata}, {"axis": -1}),
    Offer("merge_running", {"moments": drawn_strata}),
    Offer("third_moment_of_combination",
          {"sums_of_triples": lambda rng, cells: rng.normal(900.0, 90.0, (cells, 4)),
           "weights": lambda rng, cells: rng.normal(0.0, 1.0, (cells, 2))}),
    Offer("chi_square_rxc", {"table": lambda rng, cells: rng.integers(0, 40, (cells, 3, 4))}),
    Offer("srm_over_phases", {"observed": lambda rng, cells: rng.integers(20, 60, (cells, 2, 3)),
                              "expected_share": lambda rng, cells: rng.choice([0.2, 1.0, 3.0], (cells, 2, 3))}),
    Offer("sequential_srm", {"observed": lambda rng, cells: rng.integers(20, 60, (cells, LOOKS, 3)),
                             "concentration": lambda rng, cells: rng.choice([100.0, 10_000.0], cells)}),
    Offer("effective_n", {"effect": lambda rng, cells: rng.uniform(0.5, 9.0, cells)}),
    Offer("cluster_variance", {"variance": lambda rng, cells: rng.gamma(3.0, 1.0, cells)}),
    Offer("sample_size_clusters", {"sample": lambda rng, cells: SampleSize(*rng.uniform(50.0, 900.0, (2, cells)))}),
    Offer("cluster_arm", {"moments": drawn_clusters}),
    Offer("randomization_advised", {side: lambda rng, cells: cluster_arm(drawn_clusters(rng, cells))
                                    for side in ("control", "treatment")}),
    *(Offer("cluster_difference", {side: lambda rng, cells: cluster_arm(drawn_clusters(rng, cells))
                                   for side in ("control", "treatment")}, {"kind": kind})
      for kind in ("CR0", "CR2", "CR3")),
    *(Offer(name, {"variance_below*": lambda rng, cells: rng.uniform(1e-3, 3e-3, cells)})
      for name in ("clustered_quantile_difference", "clustered_quantile_interval")),
    *(Offer(name, PER_ARM, fixed) for name, fixed in (
        ("dunnett", {}), ("dunnett", {"equal_variances": False}), ("many_to_one", {}), ("welch_anova", {}))),
    *(Offer(name, PER_LOOK) for name in ("msprt", "msprt_two_arm", "msprt_pairs")),
    *(Offer(name, {**PER_LOOK, "target_n": None}) for name in ("asymptotic_cs", "asymptotic_cs_two_arm")),
    *(Offer(name, {**PER_LOOK, **PER_SCHEDULE, **more}, fixed) for name, more, fixed in (
        ("spending_boundaries", {"sided": lambda rng, cells: rng.choice(["per_side", "symmetric", "one_sided"], cells)},
         {}),
        ("classical_boundaries", {"information_fraction": lambda rng, cells: np.cumsum(
            rng.uniform(0.1, 0.25, (cells, LOOKS)), axis=1)}, {}),
        ("classical_boundaries", {}, {"shape": "pocock", "sided": "one_sided"}),
        ("repeated_looks", {"design": lambda rng, cells: rng.choice(["per_side", "symmetric"], cells)}, {}),
        ("stagewise_interval", {}, {}))),
    *(Offer(name, {**PER_LOOK, **PER_SCHEDULE, "alpha": PER_LOOK["alpha"],
                   "spending": lambda rng, cells: rng.choice(["obrien_fleming", "pocock"], (cells, 1)),
                   "parameter": None}) for name in ("alpha_spending", "log_alpha_spending")),
]  # fmt: skip

ROWS = 8


def clustered(rng: np.random.Generator, groups: int) -> Arguments:
    rows = ROWS * groups
    return {"size": rng.integers(1, 30, rows), "numerator": rng.gamma(3.0, 9.0, rows)}


def segments(rng: np.random.Generator, groups: int) -> Arguments:
    return {"effect": rng.normal(0.0, 1.0, ROWS * groups), "se": rng.gamma(3.0, 0.2, ROWS * groups)}


def arms_of_clusters(rng: np.random.Generator, groups: int) -> Arguments:
    return clustered(rng, groups) | {"treated": np.tile([0, 1], ROWS * groups // 2)}


@dataclasses.dataclass(frozen=True)
class Grouped:
    """A function of rows that an index puts into groups, `ROWS` for each."""

    name: str
    index: str
    draw: Callable[[np.random.Generator, int], Arguments]
    per_group: tuple[str, ...] = ()
    fixed: Arguments = dataclasses.field(default_factory=dict)
    # Whether a result has one element per row.
    by_row: bool = False

    @property
    def function(self) -> Callable[..., Any]:
        return getattr(python_stats, self.name)

    @property
    def id(self) -> str:
        return "-".join([self.name, *(str(value) for value in self.fixed.values())])

    def arguments(self, rng: np.random.Generator, groups: int) -> Arguments:
        columns = self.draw(rng, groups) | {self.index: np.repeat(np.arange(groups), ROWS)}
        return columns | {name: DRAWN[name](rng, groups) for name in self.per_group}

    def call(self, arguments: Arguments) -> Any:
        return self.function(**arguments, **self.fixed)


PLAN = ("alpha", "alternative")
GROUPED = [
    Grouped("cochran_q", "group_index", segments),
    Grouped("cochran_q", "group_index", segments, fixed={"se_df": 18.0}),
    Grouped("fixed_effect", "group_index", segments, PLAN),
    Grouped("fixed_effect", "group_index", segments, PLAN, {"se_df": 18.0}),
    Grouped("random_effects", "group_index", segments, PLAN),
    Grouped("random_effects", "group_index", segments, PLAN, {"hartung_knapp": True}),
    Grouped("shrink", "group_index", segments, by_row=True),
    Grouped("cluster_moments", "cell", clustered),
    Grouped("cluster_mean_moments", "cell", clustered),
    Grouped("intracluster_moments", "cell", lambda rng, groups: clustered(rng, groups)
            | {"ss_within": rng.gamma(3.0, 1.0, ROWS * groups)}),
    Grouped("merge_groups", "group_index", lambda rng, groups: {"moments": drawn_moments(rng, ROWS * groups, 2)}),
    Grouped("poststratified", "cell", lambda rng, groups: {
        name: drawn_moments(rng, ROWS * groups, 1) for name in ("control", "treatment")}, PLAN),
    Grouped("wild_cluster_bootstrap", "comparison", arms_of_clusters, PLAN, {"draws": 500}),
    Grouped("wild_cluster_bootstrap", "comparison", arms_of_clusters, PLAN, {"draws": 100, "scores": "jackknifed"}),
    Grouped("randomization_test", "comparison", arms_of_clusters, PLAN),
    Grouped("randomization_test", "comparison", arms_of_clusters, PLAN, {"draws": 99, "max_exact": 9}),
    *(Grouped("adjust", "family", lambda rng, groups: {"p_values": rng.uniform(0.0, 0.3, ROWS * groups)},
              fixed={"method": method}, by_row=True) for method in python_stats.families.multiplicity.METHODS),
    *(Grouped("storey_q", "family", lambda rng, groups: {"p_values": rng.uniform(0.0, 1.0, ROWS * groups)},
              fixed={"pi0_method": method}, by_row=True) for method in ("smoother", "bootstrap")),
    Grouped("storey_q", "family", lambda rng, groups: {"p_values": rng.uniform(0.0, 1.0, ROWS * groups)},
            fixed={"pi0_method": "cautious", "lambdas": 0.2}, by_row=True),
]  # fmt: skip
OFFERS = [*CELLWISE, *GROUPED]
# From the values of units, or columns side by side: they have no cells to keep apart.
MAKERS = {"moments_of", "moments_from_columns"}


def take(value: Any, cells: Any) -> Any:
    """Select along the first axis of an array, of moments or of a tuple of arrays."""
    if isinstance(value, tuple):
        return type(value)(*(take(part, cells) for part in value))
    return value[cells]


def numbers(result: Any, path: str = "") -> dict[str, np.ndarray]:
    """Flatten a result into named arrays."""
    if isinstance(result, Moments):
        result = {"n": result.n, "mean": result.mean, "cov": result.cov}
    elif hasattr(result, "_asdict"):
        result = result._asdict()
    elif isinstance(result, tuple):
        result = {str(place): value for place, value in enumerate(result)}
    if isinstance(result, dict):
        return {name: array for key, value in result.items() for name, array in numbers(value, f"{path}.{key}").items()}
    return {path: np.asarray(result)}


def test_every_public_function_is_called_here():
    functions = {name for name in python_stats.__all__ if inspect.isfunction(getattr(python_stats, name))}
    assert functions == {offer.name for offer in OFFERS} | MAKERS


@pytest.mark.parametrize("offer", CELLWISE, ids=lambda offer: offer.id)
def test_a_cell_alone_is_the_cell_among_others(offer):
    cells = 12
    arguments = offer.arguments(np.random.default_rng(7), cells)
    together = numbers(offer.call(arguments))
    for cell in range(cells):
        own = slice(cell, cell + 1)
        alone = numbers(offer.call({name: take(value, own) for name, value in arguments.items()}))
        for field, value in together.items():
            assert alone[field].dtype.kind == value.dtype.kind and alone[field].shape == value[own].shape
            np.testing.assert_array_equal(alone[field], value[own], err_msg=f"{field} of cell {cell}")


@pytest.mark.parametrize("offer", GROUPED, ids=lambda offer: offer.id)
def test_a_group_alone_is_the_group_among_others(offer):
    groups = 8
    arguments = offer.arguments(np.random.default_rng(8), groups)
    together = numbers(offer.call(arguments))
    for group in range(groups):
        rows, one = slice(ROWS * group, ROWS * (group + 1)), slice(group, group + 1)
        own = {name: take(value, one if name in offer.per_group else rows) for name, value in arguments.items()}
        alone = numbers(offer.call(own | {offer.index: np.zeros(ROWS, dtype=int)}))
        for field, value in together.items():
            expected = value[rows if offer.by_row and value.size == ROWS * groups else one]
            assert alone[field].dtype.kind == value.dtype.kind and alone[field].shape == expected.shape
            np.testing.assert_array_equal(alone[field], expected, err_msg=f"{field} of group {group}")


EXTREMES = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        3.0,
        1e-9,
        5e-324,
        1e-300,
        1e-160,
        -1e-160,
        1e160,
        1e300,
        -1e300,
        np.nan,
        np.inf,
        -np.inf,
    ]
)
LARGEST = np.finfo(np.float64).max


def poisoned(value: Any, rng: np.random.Generator) -> Any:
    """Put extreme floats into a third of an argument's numbers; texts and indices stay."""
    if isinstance(value, Moments):
        return Moments(*(poisoned(part, rng) for part in (value.n, value.mean, value.cov)))
    if isinstance(value, tuple):
        return type(value)(*(poisoned(part, rng) for part in value))
    if value.dtype.kind not in "fi":
        return value
    extreme = rng.choice([*EXTREMES, LARGEST], value.shape)
    return np.where(rng.random(value.shape) < 1 / 3, extreme, value)


def is_number(value: Any) -> bool:
    return isinstance(value, (Moments, tuple)) or value.dtype.kind in "fi"


# Indices of rows, groups and looks: whole numbers, or an error in words.
INDICES = {"group_index", "cell", "comparison", "family", "stopped_at", "treated", "first_rank", "first_rank_control",
           "first_rank_treatment"}  # fmt: skip


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.id)
def test_extreme_floats_give_nan_or_a_clear_error_and_leak_no_warning(offer):
    arguments = offer.arguments(np.random.default_rng(9), 8)
    for name in (name for name, value in arguments.items() if name not in INDICES and is_number(value)):
        for seed in range(2):
            given = arguments | {name: poisoned(arguments[name], np.random.default_rng(seed))}
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                result = numbers_unless_refused(offer, given, name)
            check_plausible(result, f"{offer.id}, {name}")


def check_plausible(result: dict[str, np.ndarray], what: str) -> None:
    for field, value in result.items():
        last = field.rsplit(".", 1)[-1]
        if "p_value" in last or last.startswith("probability"):
            assert np.all(np.isnan(value) | ((value >= 0.0) & (value <= 1.0))), f"{what}: {field} {value}"
        if last.endswith("ci_low"):
            high = result[field[: -len("low")] + "high"]
            assert np.all(np.isnan(value) == np.isnan(high)), f"{what}: {field} has one limit: {value}, {high}"
            assert np.all(np.isnan(value) | (value <= high)), f"{what}: {field} crossed: {value}, {high}"


# Infinite by right, or not looked at in some cells.
MAY_BE_INFINITE = {"df", "se_df", "prior_sd", "z_boundary", "parameter"}


@pytest.mark.parametrize("offer", CELLWISE, ids=lambda offer: offer.id)
@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_an_infinite_argument_gives_no_test_and_no_interval(offer, infinity):
    arguments = offer.arguments(np.random.default_rng(9), 4)
    for name, value in arguments.items():
        if name in INDICES | MAY_BE_INFINITE or not isinstance(value, np.ndarray) or value.dtype.kind not in "fi":
            continue
        infinite = value.astype(np.float64)
        infinite[1] = infinity
        result = numbers_unless_refused(offer, arguments | {name: infinite}, name)
        for field, found in result.items():
            if any(word in field for word in ("p_value", "ci_low", "ci_high", "probability")):
                assert np.all(np.isnan(found[1])), f"{name} = {infinity}: {field} is {found[1]}"


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.id)
def test_no_cells_give_no_results(offer):
    arguments = offer.arguments(np.random.default_rng(9), 0)
    for given in (arguments, {name: plain_list(value) for name, value in arguments.items()}):
        for field, value in numbers(offer.call(given)).items():
            assert value.shape[:1] == (0,), f"{field} has the shape {value.shape}"


def plain_list(value: Any) -> Any:
    """An empty column as a user would write it."""
    return [] if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind != "U" else value


@pytest.mark.parametrize("offer", CELLWISE, ids=lambda offer: offer.id)
def test_an_axis_without_arms_looks_or_values_is_named_or_gives_nan(offer):
    arguments = offer.arguments(np.random.default_rng(9), 3)
    wide = [name for name, value in arguments.items() if isinstance(value, np.ndarray) and value.ndim >= 2]
    for name in wide[:1]:
        width = arguments[name].shape[1]
        given = {
            key: value[:, :0]
            if isinstance(value, np.ndarray) and value.ndim >= 2 and value.shape[1] == width
            else value
            for key, value in arguments.items()
        }
        for field, value in numbers_unless_refused(offer, given, name).items():
            assert value.size == 0 or value.dtype.kind != "f" or "p_value" not in field or np.all(np.isnan(value))


def test_every_example_is_found_by_doctest():
    """A decorated function whose globals are another module's would lose its examples silently."""
    for name in python_stats.__all__:
        function = getattr(python_stats, name)
        if inspect.isfunction(function):
            assert function.__globals__ is vars(sys.modules[function.__module__]), name


VALUES = [1.0, 2.0, 4.0], [3.0, 5.0]
TWO_ARMS = sorted(
    {offer.name for offer in CELLWISE
     if sum(parameter.default is inspect.Parameter.empty
            for parameter in inspect.signature(offer.function).parameters.values()) > 2
     and any(name.endswith("_treatment") for name in inspect.signature(offer.function).parameters)}
    # Neither tests nor intervals: nobody calls them with two arms' values.
    - {"rank_sums_with_zeros", "skewness_of_difference", "bell_mccaffrey_df", "cluster_level_df", "power_means",
       "power_proportions"}
)  # fmt: skip


@pytest.mark.parametrize("name", TWO_ARMS)
def test_raw_values_of_two_arms_are_answered_in_a_sentence(name):
    with pytest.raises(TypeError, match=rf"{name}\(\) takes .+ of each arm, not two arrays of values"):
        getattr(python_stats, name)(*VALUES)


@pytest.mark.parametrize("name", ["cuped", "cuped_ratio", "lin", "ancova", "poststratified", "merge"])
def test_raw_values_instead_of_moments_are_answered_in_a_sentence(name):
    for values in (VALUES, [np.array(one) for one in VALUES]):
        with pytest.raises(TypeError, match=r"(control|a) must be Moments, made by moments_of"):
            getattr(python_stats, name)(*values)


@pytest.mark.parametrize(
    ("call", "maker"),
    [
        (lambda x: python_stats.linearised(x, [(0, 1)]), "moments_of"),
        (lambda x: python_stats.with_zeros(x, 3), "moments_of"),
        (python_stats.merge_all, "moments_of"),
        (python_stats.merge_running, "moments_of"),
        (lambda x: python_stats.merge_groups(x, [0, 0]), "moments_of"),
        (lambda x: python_stats.linear_combination(x, [1.0]), "moments_of"),
        (lambda x: python_stats.third_moment_of_combination(x, np.ones(4), np.ones(2)), "moments_of"),
        (python_stats.cluster_arm, "cluster_moments"),
        (lambda x: python_stats.cluster_difference(x, x), "cluster_arm"),
        (lambda x: python_stats.randomization_advised(x, x), "cluster_arm"),
        (lambda x: python_stats.sample_size_clusters(x, 3.0, 0.1), "sample_size_means"),
    ],
)
def test_raw_values_instead_of_a_library_value_name_its_maker(call, maker):
    with pytest.raises(TypeError, match=rf"must be \w+, made by {maker}"):
        call(np.array([1.0, 2.0]))


def numbers_unless_refused(offer: Offer | Grouped, given: Arguments, name: str) -> dict[str, np.ndarray]:
    """Call; a ValueError that names the argument is an answer too, without numbers."""
    try:
        return numbers(offer.call(given))
    except ValueError as error:
        if name.split("_")[0] not in str(error):
            raise
        return {}
