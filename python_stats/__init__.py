"""The statistics of experiments as functions on arrays: of the moments of cells, one element per comparison.

In a notebook, from units:

>>> import numpy as np
>>> from python_stats import cuped, moments_of, two_proportion_z
>>> rng = np.random.default_rng(1)
>>> before = [rng.normal(10, 2, n) for n in (500, 480)]
>>> control, treatment = (x + rng.normal(shift, 1, x.size) for x, shift in zip(before, (0.0, 0.3)))
>>> arms = [moments_of(np.column_stack(pair)) for pair in ((control, before[0]), (treatment, before[1]))]
>>> result = cuped(*arms)
>>> round(float(result.comparison.effect), 4), round(float(result.comparison.p_value), 6)
(0.3784, 0.0)

or from counts, many comparisons in one call:

>>> test = two_proportion_z([120, 300], [1000, 2500], [150, 310], [1010, 2490])
>>> test.p_value.round(4).tolist()
[0.0609, 0.6277]

The numbers are those of the dbt models, which call the same functions. Each function's docstring names its convention,
its source and its limits; docs/statistics derives them and docs/calibration.md shows how often they are wrong.
"""

from python_stats.adjustment.causal import ComplierEffect, cace, difference_in_differences
from python_stats.adjustment.poststratification import PostStratified, poststratified
from python_stats.adjustment.pre_period import Adjusted, cuped, cuped_ratio, linearised
from python_stats.adjustment.regression import RegressionAdjusted, ancova, lin
from python_stats.allocation import (
    ExactMultinomial,
    SequentialSrm,
    Srm,
    exact_multinomial,
    sequential_srm,
    srm_chi_square,
    srm_over_phases,
)
from python_stats.bayes import BetaBinomial, NormalNormal, beta_binomial, normal_normal
from python_stats.clusters.intracluster import (
    IntraclusterCorrelation,
    anova_icc,
    design_effect,
    effective_n,
    intracluster_moments,
    size_cv2,
)
from python_stats.clusters.randomization import RandomizationTest, randomization_test
from python_stats.clusters.robust_variance import (
    ClusterArm,
    bell_mccaffrey_df,
    cluster_arm,
    cluster_difference,
    cluster_level_df,
    cluster_mean_t,
    randomization_advised,
)
from python_stats.clusters.totals import ClusterMeanMoments, ClusterMoments, cluster_mean_moments, cluster_moments
from python_stats.clusters.wild_bootstrap import WildBootstrap, wild_cluster_bootstrap
from python_stats.families.dunnett import ManyToOne, dunnett, many_to_one
from python_stats.families.heterogeneity import (
    Heterogeneity,
    RandomEffects,
    Shrunk,
    cochran_q,
    fixed_effect,
    interaction_test,
    random_effects,
    shrink,
)
from python_stats.families.multiplicity import adjust
from python_stats.families.omnibus import Omnibus, welch_anova
from python_stats.families.storey import QValues, storey_q
from python_stats.lift import Lift, fieller_lift, lift_interval, linear_delta_lift, log_delta_lift
from python_stats.means.geometric import GeometricComparison, geometric_means
from python_stats.means.hall_transformation import hall_lift, hall_quantile, hall_statistic, hall_wald
from python_stats.means.ranks import (
    RankSums,
    RankTest,
    brunner_munzel,
    mann_whitney,
    mann_whitney_conditional,
    rank_sums_with_zeros,
)
from python_stats.means.ratios import linearised_variance, ratio_difference
from python_stats.means.resampling import Bootstrap, Permutation, bootstrap_difference, permutation_test
from python_stats.means.robust import (
    cut_ranks,
    trimmed_mean_se,
    winsorized_moments_by_cutoff,
    winsorized_moments_by_rank,
    yuen_t,
)
from python_stats.means.skewness import (
    pooled_skewness,
    skewness_of_difference,
    third_moment_of_combination,
)
from python_stats.means.welch import cohen_d, pooled_t, welch_t
from python_stats.moments import (
    Moments,
    linear_combination,
    merge,
    merge_all,
    merge_groups,
    merge_running,
    moments_from_columns,
    moments_of,
    with_zeros,
)
from python_stats.planning.power_clusters import ClusterSampleSize, cluster_variance, sample_size_clusters
from python_stats.planning.power_means import SampleSize, mde_means, power_means, sample_size_means
from python_stats.planning.power_proportions import mde_proportions, power_proportions, sample_size_proportions
from python_stats.quantiles.clustered import clustered_quantile_difference, clustered_quantile_interval
from python_stats.quantiles.index_comparison import (
    QuantileComparison,
    QuantileInterval,
    quantile_difference,
    quantile_interval,
)
from python_stats.quantiles.order_statistics import (
    RankWindow,
    order_statistic_window,
    quantile_standard_error,
    sample_quantile,
)
from python_stats.rates.contingency import (
    ChiSquare,
    OddsRatio,
    chi_square_rxc,
    conditional_odds_ratio,
    fisher_exact_2x2,
)
from python_stats.rates.one_proportion import (
    Interval,
    clopper_pearson_interval,
    exact_binomial_test,
    one_proportion_z,
    wilson_interval,
)
from python_stats.rates.proportion_score import (
    farrington_manning,
    mee_interval,
    miettinen_nurminen_interval,
    score_ratio_interval,
)
from python_stats.rates.proportions import agresti_caffo_interval, newcombe_interval, two_proportion_z
from python_stats.sequential.always_valid import (
    AlwaysValid,
    asymptotic_cs,
    asymptotic_cs_rho,
    asymptotic_cs_two_arm,
    msprt,
    msprt_pairs,
    msprt_two_arm,
)
from python_stats.sequential.group_sequential import SpendingBoundaries, classical_boundaries, spending_boundaries
from python_stats.sequential.repeated_looks import RepeatedLooks, repeated_looks
from python_stats.sequential.spending import alpha_spending, information_fraction, log_alpha_spending
from python_stats.sequential.stagewise import StagewiseInterval, stagewise_interval
from python_stats.wald import Comparison, wald

__all__ = [
    "Adjusted",
    "AlwaysValid",
    "BetaBinomial",
    "Bootstrap",
    "ChiSquare",
    "ClusterArm",
    "ClusterMeanMoments",
    "ClusterMoments",
    "ClusterSampleSize",
    "Comparison",
    "ComplierEffect",
    "ExactMultinomial",
    "GeometricComparison",
    "Heterogeneity",
    "Interval",
    "IntraclusterCorrelation",
    "Lift",
    "ManyToOne",
    "Moments",
    "NormalNormal",
    "OddsRatio",
    "Omnibus",
    "Permutation",
    "PostStratified",
    "QValues",
    "QuantileComparison",
    "QuantileInterval",
    "RandomEffects",
    "RandomizationTest",
    "RankSums",
    "RankTest",
    "RankWindow",
    "RegressionAdjusted",
    "RepeatedLooks",
    "SampleSize",
    "SequentialSrm",
    "Shrunk",
    "SpendingBoundaries",
    "Srm",
    "StagewiseInterval",
    "WildBootstrap",
    "adjust",
    "agresti_caffo_interval",
    "alpha_spending",
    "ancova",
    "anova_icc",
    "asymptotic_cs",
    "asymptotic_cs_rho",
    "asymptotic_cs_two_arm",
    "bell_mccaffrey_df",
    "beta_binomial",
    "bootstrap_difference",
    "brunner_munzel",
    "cace",
    "chi_square_rxc",
    "classical_boundaries",
    "clopper_pearson_interval",
    "cluster_arm",
    "cluster_difference",
    "cluster_level_df",
    "cluster_mean_moments",
    "cluster_mean_t",
    "cluster_moments",
    "cluster_variance",
    "clustered_quantile_difference",
    "clustered_quantile_interval",
    "cochran_q",
    "cohen_d",
    "conditional_odds_ratio",
    "cuped",
    "cuped_ratio",
    "cut_ranks",
    "design_effect",
    "difference_in_differences",
    "dunnett",
    "effective_n",
    "exact_binomial_test",
    "exact_multinomial",
    "farrington_manning",
    "fieller_lift",
    "fisher_exact_2x2",
    "fixed_effect",
    "geometric_means",
    "hall_lift",
    "hall_quantile",
    "hall_statistic",
    "hall_wald",
    "information_fraction",
    "interaction_test",
    "intracluster_moments",
    "lift_interval",
    "lin",
    "linear_combination",
    "linear_delta_lift",
    "linearised",
    "linearised_variance",
    "log_alpha_spending",
    "log_delta_lift",
    "mann_whitney",
    "mann_whitney_conditional",
    "many_to_one",
    "mde_means",
    "mde_proportions",
    "mee_interval",
    "merge",
    "merge_all",
    "merge_groups",
    "merge_running",
    "miettinen_nurminen_interval",
    "moments_from_columns",
    "moments_of",
    "msprt",
    "msprt_pairs",
    "msprt_two_arm",
    "newcombe_interval",
    "normal_normal",
    "one_proportion_z",
    "order_statistic_window",
    "permutation_test",
    "pooled_skewness",
    "pooled_t",
    "poststratified",
    "power_means",
    "power_proportions",
    "quantile_difference",
    "quantile_interval",
    "quantile_standard_error",
    "random_effects",
    "randomization_advised",
    "randomization_test",
    "rank_sums_with_zeros",
    "ratio_difference",
    "repeated_looks",
    "sample_quantile",
    "sample_size_clusters",
    "sample_size_means",
    "sample_size_proportions",
    "score_ratio_interval",
    "sequential_srm",
    "shrink",
    "size_cv2",
    "skewness_of_difference",
    "spending_boundaries",
    "srm_chi_square",
    "srm_over_phases",
    "stagewise_interval",
    "storey_q",
    "third_moment_of_combination",
    "trimmed_mean_se",
    "two_proportion_z",
    "wald",
    "welch_anova",
    "welch_t",
    "wild_cluster_bootstrap",
    "wilson_interval",
    "winsorized_moments_by_cutoff",
    "winsorized_moments_by_rank",
    "with_zeros",
    "yuen_t",
]
