//! The mean of values that come in clusters.

use super::special::student_quantile;
use super::{Alpha, Interval};

/// A mean with its cluster-robust standard error.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClusteredMean {
    /// Over all values.
    pub mean: f64,
    /// Cluster-robust (CR1); 0 for clusters that agree exactly.
    pub standard_error: f64,
    /// Clusters, at least 2.
    pub clusters: u64,
}

/// The mean over clusters given as (sum of values, number of values), and its CR1 standard error
/// `sqrt(G/(G-1) sum_g (sum_g (x - mean))^2) / n`. None for fewer than two clusters. With one value a cluster it is the
/// ordinary standard error of a mean.
/// Source: K.-Y. Liang and S. Zeger, Biometrika 73, 1986, with the G/(G-1) correction.
#[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^53")]
pub fn clustered_mean(clusters: &[(f64, u64)]) -> Option<ClusteredMean> {
    let values: u64 = clusters.iter().map(|(_, count)| count).sum();
    if clusters.len() < 2 || values == 0 {
        return None;
    }
    let n = values as f64;
    let mean = clusters.iter().map(|(sum, _)| sum).sum::<f64>() / n;
    let squares: f64 = clusters.iter().map(|(sum, count)| (sum - mean * *count as f64).powi(2)).sum();
    let groups = clusters.len() as f64;
    let standard_error = (groups / (groups - 1.0) * squares).sqrt() / n;
    Some(ClusteredMean { mean, standard_error, clusters: clusters.len() as u64 })
}

impl ClusteredMean {
    /// The two-sided t interval with error `alpha` and one degree of freedom fewer than clusters.
    #[expect(clippy::cast_precision_loss, reason = "cluster counts are far below 2^53")]
    pub fn interval(&self, alpha: Alpha) -> Interval {
        let t = student_quantile(1.0 - alpha.half().value(), (self.clusters - 1) as f64);
        Interval { low: self.mean - t * self.standard_error, high: self.mean + t * self.standard_error }
    }

    /// The one-sided bounds with error `alpha` each.
    pub fn bounds(&self, alpha: Alpha) -> Interval {
        match Alpha::new(2.0 * alpha.value()) {
            Some(both) => self.interval(both),
            None => Interval { low: f64::NEG_INFINITY, high: f64::INFINITY },
        }
    }
}
