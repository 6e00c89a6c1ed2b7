//! Tests of `export::retry`.

use super::*;

#[test]
fn budget_ends_with_its_retries_or_a_long_pause() {
    let budget = RetryBudget::default();
    assert!(!budget.wait_until(Instant::now() + MAX_PAUSE + Duration::from_secs(60)));
    let waited: Vec<_> = (0..7).map(|_| budget.wait_until(Instant::now())).collect();
    assert_eq!(waited, [true, true, true, true, true, false, false]);
}
