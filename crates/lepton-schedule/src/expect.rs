//! Two weighted sums with their conditions checked: the expected value of outcomes, and the risk over threats.

/// Largest distance of a sum of probabilities from 1 that rounding explains.
const ROUNDING: f64 = 1e-9;

/// Why there is no sum.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ExpectError {
    /// A probability outside 0 to 1.
    #[error("outcomes[{index}].probability: {found} is not between 0 and 1")]
    Probability {
        /// Which outcome.
        index: usize,
        /// What was found.
        found: f64,
    },
    /// A value that is not a number.
    #[error("outcomes[{index}].value: {found} is not a finite number")]
    Value {
        /// Which outcome.
        index: usize,
        /// What was found.
        found: f64,
    },
    /// Probabilities of all outcomes that are not 1 in sum.
    #[error("outcomes: probabilities sum to {sum}, not to 1")]
    Sum {
        /// What they sum to.
        sum: f64,
    },
}

/// R = Σ Pᵢ·Qᵢ of outcomes that exclude each other and are all there are, as (probability, value).
///
/// # Errors
/// [`ExpectError`] unless every P is in 0 to 1 and Σ P = 1 (but for rounding).
pub fn expected_value(outcomes: &[(f64, f64)]) -> Result<f64, ExpectError> {
    let value = risk_score(outcomes)?;
    let sum: f64 = outcomes.iter().map(|(p, _)| p).sum();
    if (sum - 1.0).abs() > ROUNDING {
        return Err(ExpectError::Sum { sum });
    }
    Ok(value)
}

/// S = Σ Rᵢ·Pᵢ of threats that may come together, as (probability, severity): no condition on the sum of P.
///
/// # Errors
/// [`ExpectError`] unless every P is in 0 to 1 and every severity finite.
pub fn risk_score(threats: &[(f64, f64)]) -> Result<f64, ExpectError> {
    for (index, &(p, value)) in threats.iter().enumerate() {
        if !(0.0..=1.0).contains(&p) {
            return Err(ExpectError::Probability { index, found: p });
        }
        if !value.is_finite() {
            return Err(ExpectError::Value { index, found: value });
        }
    }
    Ok(threats.iter().map(|(p, value)| p * value).sum())
}
