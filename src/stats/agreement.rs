//! Judges against people: agreement, and means that a judge's mistakes do not bend.

use super::special::normal_quantile;
use super::{Alpha, Interval, float};

/// How disagreement is weighed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weights {
    /// Every disagreement is the same.
    Unweighted,
    /// By the distance of the categories.
    Linear,
    /// By its square.
    Quadratic,
}

/// Agreement beyond chance.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kappa {
    /// 1 for full agreement, 0 for chance.
    pub value: f64,
    /// Asymptotic standard error of the unweighted form.
    pub standard_error: Option<f64>,
}

/// Cohen's kappa of two raters over `categories` numbered from 0. None without ratings, for ratings out of range or of
/// unequal number, and where chance alone explains everything.
/// Source: J. Cohen 1960 and 1968; standard error: J. Fleiss, J. Cohen and B. Everitt, Psychological Bulletin 72, 1969.
pub fn cohen_kappa(first: &[usize], second: &[usize], categories: usize, weights: Weights) -> Option<Kappa> {
    if first.is_empty() || first.len() != second.len() {
        return None;
    }
    let n = float(first.len() as u64);
    let mut table = vec![vec![0.0; categories]; categories];
    for (a, b) in first.iter().zip(second) {
        *table.get_mut(*a)?.get_mut(*b)? += 1.0 / n;
    }
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum()).collect();
    let columns: Vec<f64> = (0..categories).map(|j| table.iter().filter_map(|row| row.get(j)).sum()).collect();
    let disagreement = |i: usize, j: usize| {
        let distance = float(i.abs_diff(j) as u64);
        match weights {
            Weights::Unweighted => f64::from(u8::from(i != j)),
            Weights::Linear => distance,
            Weights::Quadratic => distance * distance,
        }
    };
    let (mut seen, mut chance) = (0.0, 0.0);
    for (i, (row, p)) in table.iter().zip(&rows).enumerate() {
        for (j, (cell, q)) in row.iter().zip(&columns).enumerate() {
            seen += disagreement(i, j) * cell;
            chance += disagreement(i, j) * p * q;
        }
    }
    if chance <= 0.0 {
        return None;
    }
    let value = 1.0 - seen / chance;
    let standard_error = (weights == Weights::Unweighted).then(|| {
        let (agreed, expected) = (1.0 - seen, 1.0 - chance);
        let (mut a, mut b) = (0.0, 0.0);
        for (i, (row, p)) in table.iter().zip(&rows).enumerate() {
            for (j, (cell, q)) in row.iter().zip(&columns).enumerate() {
                let (own, other) = (columns.get(i).copied().unwrap_or(0.0), rows.get(j).copied().unwrap_or(0.0));
                if i == j {
                    a += cell * (1.0 - (p + q) * (1.0 - value)).powi(2);
                } else {
                    b += cell * (own + other).powi(2);
                }
            }
        }
        let b = (1.0 - value).powi(2) * b;
        let c = (value - expected * (1.0 - value)).powi(2);
        let _ = agreed;
        ((a + b - c).max(0.0) / n).sqrt() / (1.0 - expected)
    });
    Some(Kappa { value, standard_error })
}

/// A mean of labels helped by predictions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Helped {
    /// The point estimate.
    pub value: f64,
    /// Its two-sided normal interval.
    pub interval: Interval,
    /// How far the predictions are believed, 0 to 1.
    pub trust: f64,
}

/// The mean of people's `labels` with a judge's predictions for the same samples (`predicted`) and for others without a
/// label (`unlabelled`): right on average whatever the judge's mistakes. `trust` fixes the weight of the predictions; without
/// it the weight is tuned. None for fewer than two labels or predictions.
/// Source: A. Angelopoulos, J. Duchi and T. Zrnic, PPI++, 2023.
pub fn ppi_mean(
    labels: &[f64],
    predicted: &[f64],
    unlabelled: &[f64],
    trust: Option<f64>,
    alpha: Alpha,
) -> Option<Helped> {
    if labels.len() != predicted.len() || labels.len() < 2 || unlabelled.len() < 2 {
        return None;
    }
    let (n, others) = (float(labels.len() as u64), float(unlabelled.len() as u64));
    let average = |values: &[f64]| values.iter().sum::<f64>() / float(values.len() as u64);
    let (label, prediction) = (average(labels), average(predicted));
    let trust = trust.unwrap_or_else(|| {
        let covariance = labels.iter().zip(predicted).map(|(y, f)| (y - label) * (f - prediction)).sum::<f64>() / n;
        let all: Vec<f64> = predicted.iter().chain(unlabelled).copied().collect();
        let spread = super::mean::moments(&all).map_or(0.0, |(_, variance)| variance);
        if spread > 0.0 { (covariance / ((1.0 + n / others) * spread)).clamp(0.0, 1.0) } else { 0.0 }
    });
    let errors: Vec<f64> = labels.iter().zip(predicted).map(|(y, f)| y - trust * f).collect();
    let value = trust * average(unlabelled) + average(&errors);
    let variance = |values: &[f64]| {
        let mean = average(values);
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / float(values.len() as u64)
    };
    let standard_error = (trust * trust * variance(unlabelled) / others + variance(&errors) / n).sqrt();
    let half = normal_quantile(1.0 - alpha.half().value()) * standard_error;
    Some(Helped { value, interval: Interval { low: value - half, high: value + half }, trust })
}

/// The true rate behind a detector's rate, from its sensitivity and specificity; within 0..=1. None for a detector that is
/// no better than chance. Source: W. Rogan and B. Gladen, American Journal of Epidemiology 107, 1978.
pub fn rogan_gladen(apparent: f64, sensitivity: f64, specificity: f64) -> Option<f64> {
    let power = sensitivity + specificity - 1.0;
    (power > 0.0).then(|| ((apparent + specificity - 1.0) / power).clamp(0.0, 1.0))
}
