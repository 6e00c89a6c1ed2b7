//! The common prefix and the common suffix of two payloads.

/// Lengths of the slices that are compared at once, from large to small, so that most of the work is `memcmp`.
const STEPS: [usize; 3] = [4096, 64, 1];

/// Returns the number of bytes in which the two payloads agree from the start.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let most = a.len().min(b.len());
    let mut same = 0;
    for step in STEPS {
        while same + step <= most && a[same..same + step] == b[same..same + step] {
            same += step;
        }
    }
    same
}

/// Returns the number of bytes in which the two payloads agree up to the end.
pub(super) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let most = a.len().min(b.len());
    let (a, b) = (&a[a.len() - most..], &b[b.len() - most..]);
    let mut differing = most;
    for step in STEPS {
        while step <= differing && a[differing - step..differing] == b[differing - step..differing] {
            differing -= step;
        }
    }
    most - differing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn overlap_equals_a_bytewise_comparison(
            start in 0usize..9000, end in 0usize..9000,
            a in prop::collection::vec(0u8..3, 0..100), b in prop::collection::vec(0u8..3, 0..100),
        ) {
            let around = |middle: &[u8]| [&vec![7; start], middle, &vec![8; end]].concat();
            let (a, b) = (around(&a), around(&b));
            let slow = |a: &mut dyn Iterator<Item = (&u8, &u8)>| a.take_while(|(a, b)| a == b).count();
            prop_assert_eq!(common_prefix(&a, &b), slow(&mut a.iter().zip(&b)));
            prop_assert_eq!(common_suffix(&a, &b), slow(&mut a.iter().rev().zip(b.iter().rev())));
        }
    }
}
