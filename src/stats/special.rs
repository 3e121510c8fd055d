//! Special functions, to 1e-9 relative: the crates that offer them are wrong by up to 1e-3 in the tails that gates need.

#![expect(clippy::excessive_precision, reason = "published coefficients are kept as they were published")]

use std::f64::consts::PI;

/// Half of the logarithm of 2 pi.
const HALF_LN_2PI: f64 = 0.918_938_533_204_672_741_78;

/// Error of Stirling's formula for the logarithm of n!, for n >= 0.
/// Source: C. Loader, Fast and Accurate Computation of Binomial Probabilities, 2000 (`stirlerr`); below 15 by ln gamma.
fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        let shape = if n > 0.0 { (n + 0.5) * n.ln() } else { 0.0 };
        return ln_gamma(n + 1.0) - shape + n - HALF_LN_2PI;
    }
    let square = n * n;
    let terms = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    terms.iter().rev().fold(0.0, |sum, term| sum / square + term) / n
}

/// Logarithm of the gamma function for x > 0. Source: Lanczos' approximation with g = 7 and nine terms (Godfrey).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_932_27,
        676.520_368_121_885_098_57,
        -1_259.139_216_722_402_870_5,
        771.323_428_777_653_078_85,
        -176.615_029_162_140_599_07,
        12.507_343_278_686_904_814,
        -0.138_571_095_265_720_116_9,
        9.984_369_578_019_570_86e-6,
        1.505_632_735_149_311_558_3e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let mut sum = TERMS[0];
    for (index, term) in (1_u8..).zip(TERMS.iter().skip(1)) {
        sum += term / (x + f64::from(index));
    }
    let t = x + 7.5;
    HALF_LN_2PI + (x + 0.5) * t.ln() - t + sum.ln()
}

/// `x ln(x / m) + m - x` without cancellation. Source: Loader 2000 (`bd0`).
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() < 0.1 * (x + m) {
        let v = (x - m) / (x + m);
        let mut sum = (x - m) * v;
        let mut term = 2.0 * x * v;
        let square = v * v;
        for index in 1_u16..1000 {
            term *= square;
            let next = sum + term / f64::from(2 * index + 1);
            if next == sum {
                return next;
            }
            sum = next;
        }
        return sum;
    }
    if x > 0.0 { x * (x / m).ln() + m - x } else { m }
}

/// Logarithm of `x^a (1-x)^b / B(a, b)`, by Loader's saddle point where both shapes are large enough for it.
fn ln_prefix(a: f64, b: f64, x: f64) -> f64 {
    let n = a + b;
    if a < 10.0 || b < 10.0 {
        return ln_gamma(n) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    }
    // ln Gamma(z) = (z - 1/2) ln z - z + ln(2 pi)/2 + error(z), with z! = z Gamma(z).
    let log = 0.5 * (a.ln() + b.ln() - n.ln()) - HALF_LN_2PI;
    let errors = stirling_error(n) - stirling_error(a) - stirling_error(b);
    errors + log - deviance(a, n * x) - deviance(b, n * (1.0 - x))
}

/// The regularised incomplete beta function I_x(a, b), for a, b > 0 and x in 0..=1.
/// Source: the continued fraction of Abramowitz and Stegun 26.5.8, by Lentz' method (Thompson and Barnett 1986).
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - lower_tail(b, a, 1.0 - x);
    }
    lower_tail(a, b, x)
}

fn lower_tail(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let floor = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (sum, above, below) = (a + b, a + 1.0, a - 1.0);
    let mut c = 1.0;
    let mut d = 1.0 / floor(1.0 - sum * x / above);
    let mut fraction = d;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bound on iterations, not a value")]
    let most = 300 + (20.0 * a.max(b).sqrt()).min(1e8) as u32;
    for index in 1..=most {
        let m = f64::from(index);
        let even = m * (b - m) * x / ((below + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / floor(1.0 + even * d);
        c = floor(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (sum + m) * x / ((a + 2.0 * m) * (above + 2.0 * m));
        d = 1.0 / floor(1.0 + odd * d);
        c = floor(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (ln_prefix(a, b, x).exp() * fraction / a).clamp(0.0, 1.0)
}

/// The x with I_x(a, b) = p, by bisection on the side where the result is relatively exact.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    // On a logarithmic scale near 0, so that a bound of 1e-6 has as many digits as one of 0.5.
    let (mut low, mut high) = (f64::MIN_POSITIVE.ln(), 0.0_f64);
    if incomplete_beta(a, b, 0.5) < p {
        return 1.0 - beta_quantile_above(p, a, b);
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(a, b, middle.exp()) < p { low = middle } else { high = middle }
    }
    (0.5 * (low + high)).exp()
}

/// `1 - x` for an x above one half: the same bisection on the complement.
fn beta_quantile_above(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (f64::MIN_POSITIVE.ln(), 0.0_f64);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        // 1 - I_{1-y}(a, b) = I_y(b, a): the tail is compared as it is, not as one minus nearly one.
        let tail = incomplete_beta(b, a, middle.exp());
        if tail > 1.0 - p { high = middle } else { low = middle }
    }
    (0.5 * (low + high)).exp()
}

/// The standard normal quantile. Source: M. Wichura, Algorithm AS 241 (PPND16), 1988.
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_608_0,
        133.141_667_891_784_377_45,
        1_971.590_950_306_551_442_7,
        13_731.693_765_509_461_125,
        45_921.953_931_549_871_457,
        67_265.770_927_008_700_853,
        33_430.575_583_588_128_105,
        2_509.080_928_730_122_672_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_911_252,
        687.187_007_492_057_908_30,
        5_394.196_021_424_751_107_7,
        21_213.794_301_586_595_867,
        39_307.895_800_092_710_610,
        28_729.085_735_721_942_674,
        5_226.495_278_852_854_561_0,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_90,
        5.769_497_221_460_691_405_50,
        3.647_848_324_763_204_604_04,
        1.270_458_252_452_368_382_58,
        0.241_780_725_177_450_611_770,
        0.022_723_844_989_269_184_499_3,
        7.745_450_142_783_414_076_4e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_40,
        0.689_767_334_985_100_004_550,
        0.148_103_976_427_480_074_590,
        0.015_198_666_563_616_457_196_6,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103_777_20,
        5.463_784_911_164_114_369_90,
        1.784_826_539_917_291_335_80,
        0.296_560_571_828_504_891_230,
        0.026_532_189_526_576_123_093_0,
        0.001_242_660_947_388_078_438_60,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_887_937_690,
        0.136_929_880_922_735_805_310,
        0.014_875_361_290_850_615_025_5,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_887e-7,
        2.044_263_103_389_939_785_64e-15,
    ];
    let polynomial = |terms: &[f64; 8], x: f64| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = (-tail.ln()).sqrt();
    let value = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    if q < 0.0 { -value } else { value }
}

/// The quantile of Student's t with `freedom` > 0 degrees, through the incomplete beta function.
/// Source: Abramowitz and Stegun 26.7.1.
pub fn student_quantile(p: f64, freedom: f64) -> f64 {
    if p == 0.5 {
        return 0.0;
    }
    let tail = 2.0 * p.min(1.0 - p);
    let x = beta_quantile(tail, freedom / 2.0, 0.5);
    // x = freedom / (freedom + t^2); near 1 the complement keeps the digits.
    let rest = if x > 0.5 { beta_quantile_complement(tail, freedom) } else { 1.0 - x };
    let value = (freedom * rest / (1.0 - rest)).sqrt();
    if p < 0.5 { -value } else { value }
}

fn beta_quantile_complement(tail: f64, freedom: f64) -> f64 {
    beta_quantile(1.0 - tail, 0.5, freedom / 2.0)
}
