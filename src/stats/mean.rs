//! Means: of values that come in clusters, of paired differences, of two independent samples.

use super::special::{student_quantile, student_upper};
use super::{Alpha, Interval, float};

/// A mean with its standard error and degrees of freedom.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mean {
    /// The point estimate.
    pub value: f64,
    /// Its standard error; 0 where nothing varies.
    pub standard_error: f64,
    /// Degrees of freedom of Student's t, above 0.
    pub freedom: f64,
}

impl Mean {
    /// The two-sided t interval with error `alpha`.
    pub fn interval(&self, alpha: Alpha) -> Interval {
        self.within(student_quantile(1.0 - alpha.half().value(), self.freedom))
    }

    /// The one-sided bounds with error `alpha` each.
    pub fn bounds(&self, alpha: Alpha) -> Interval {
        self.within(student_quantile(1.0 - alpha.value(), self.freedom))
    }

    fn within(&self, t: f64) -> Interval {
        Interval { low: self.value - t * self.standard_error, high: self.value + t * self.standard_error }
    }

    /// The distance from `at` in standard errors.
    pub fn t(&self, at: f64) -> f64 {
        let distance = self.value - at;
        if distance == 0.0 { 0.0 } else { distance / self.standard_error }
    }

    /// The p-value of "the mean is at most `-margin`": small when the mean is not inferior by the margin.
    pub fn non_inferiority(&self, margin: f64) -> f64 {
        student_upper(self.t(-margin), self.freedom)
    }

    /// The two-sided p-value of "the mean is 0".
    pub fn two_sided(&self) -> f64 {
        (2.0 * student_upper(self.t(0.0).abs(), self.freedom)).min(1.0)
    }
}

/// The mean over clusters given as (sum of values, number of values), and its CR1 standard error
/// `sqrt(G/(G-1) sum_g (sum_g (x - mean))^2) / n`. None for fewer than two clusters. With one value a cluster it is the
/// ordinary standard error of a mean.
/// Source: K.-Y. Liang and S. Zeger, Biometrika 73, 1986, with the G/(G-1) correction.
pub fn clustered_mean(clusters: &[(f64, u64)]) -> Option<Mean> {
    let values: u64 = clusters.iter().map(|(_, count)| count).sum();
    if clusters.len() < 2 || values == 0 {
        return None;
    }
    let n = float(values);
    let mean = clusters.iter().map(|(sum, _)| sum).sum::<f64>() / n;
    let squares: f64 = clusters.iter().map(|(sum, count)| (sum - mean * float(*count)).powi(2)).sum();
    let groups = float(clusters.len() as u64);
    let standard_error = (groups / (groups - 1.0) * squares).sqrt() / n;
    Some(Mean { value: mean, standard_error, freedom: groups - 1.0 })
}

/// The mean of independent values: of paired differences it is the paired t test. None for fewer than two.
/// Source: Student, The probable error of a mean, Biometrika 6, 1908.
pub fn mean(values: &[f64]) -> Option<Mean> {
    let (value, variance) = moments(values)?;
    let n = float(values.len() as u64);
    Some(Mean { value, standard_error: (variance / n).sqrt(), freedom: n - 1.0 })
}

/// The mean of `first` minus that of `second`, independent samples of unequal variance. None for fewer than two of either.
/// Source: B. Welch, Biometrika 34, 1947; degrees of freedom by F. Satterthwaite 1946.
pub fn welch(first: &[f64], second: &[f64]) -> Option<Mean> {
    let ((one, variance_one), (two, variance_two)) = (moments(first)?, moments(second)?);
    let (n1, n2) = (float(first.len() as u64), float(second.len() as u64));
    welch_of((one, variance_one / n1, n1), (two, variance_two / n2, n2))
}

/// The same from (mean, squared standard error, number of values) of both sides.
pub fn welch_of(first: (f64, f64, f64), second: (f64, f64, f64)) -> Option<Mean> {
    let ((one, v1, n1), (two, v2, n2)) = (first, second);
    if n1 < 2.0 || n2 < 2.0 {
        return None;
    }
    let total = v1 + v2;
    let freedom =
        if total > 0.0 { total * total / (v1 * v1 / (n1 - 1.0) + v2 * v2 / (n2 - 1.0)) } else { n1 + n2 - 2.0 };
    Some(Mean { value: one - two, standard_error: total.sqrt(), freedom })
}

/// Mean and variance with n - 1. None for fewer than two values.
pub(super) fn moments(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let n = float(values.len() as u64);
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, squares / (n - 1.0)))
}
